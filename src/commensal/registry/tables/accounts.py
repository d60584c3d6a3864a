"""How people sign in: what was tried, the second factor of each account, its codes for recovery."""

from __future__ import annotations

from django.db.models import UniqueConstraint

from commensal.registry.tables.declaration import Owned, direct
from commensal.study.declaration import Privacy, Table, code, identifier, instant, integer, word

EVENTS = (
    "signed_in",
    "password_given",
    "password_set",
    "password_changed",
    "wrong_password",
    "wrong_code",
    "locked",
    "signed_out",
    "ended",
    "timed_out",
)

SIGN_INS = Owned(
    Table(
        "sign_ins",
        "one sign-in, one failure, or the end of a session",
        ("sign_in_id",),
        (
            identifier("sign_in_id", "The entry; its beginning is the time.", is_required=True),
            instant("occurred_at", "When."),
            word("account", "Account; empty where the name given is nobody's."),
            code("event", EVENTS, "What happened.", is_required=True, privacy=Privacy.NONE),
            word("page", "Page on which a password or code was given."),
            word("device", "What the browser says it is."),
        ),
    ),
    sites=(),
    is_append_only=True,
    # Keys are unique alone: this one is the index by which an account's failures are counted.
    constraints=(UniqueConstraint(fields=["account", "sign_in_id"], name="sign_ins_of_an_account"),),
)

SECOND_FACTORS = Owned(
    Table(
        "second_factors",
        "the second factor of an account",
        ("factor_id",),
        (
            identifier("factor_id", "The entry.", is_required=True),
            word("account", "Account."),
            direct("secret", "Secret shared with the person's authenticator, encrypted."),
            instant("confirmed_at", "When the person first gave a code of it."),
            integer("last_step", "Step of the last code used: no code is taken twice.", minimum=0),
        ),
    ),
    sites=(),
    constraints=(UniqueConstraint(fields=["account"], name="second_factors_once_for_an_account"),),
)

RECOVERY_CODES = Owned(
    Table(
        "recovery_codes",
        "one code for an account whose authenticator is lost",
        ("code_id",),
        (
            identifier("code_id", "The entry.", is_required=True),
            word("account", "Account."),
            word("mark", "Keyed digest of the code."),
            instant("used_at", "When it was used: no code is taken twice."),
        ),
    ),
    sites=(),
    constraints=(UniqueConstraint(fields=["account", "mark"], name="recovery_codes_of_an_account"),),
)

OWNED = (SIGN_INS, SECOND_FACTORS, RECOVERY_CODES)
