"""The door: passwords, second factor, lock-out, sessions, each attempt recorded."""

import re
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from universe import PASSWORD

from commensal.errors import InputError, RefusedError
from commensal.registry import door
from commensal.registry.actions import accounts, signing_in
from commensal.registry.models import MODELS
from commensal.registry.second_factor import _totp, new_secret, typed

pytestmark = pytest.mark.slow
NEW = "a wholly other long password"
WHERE = {"page": "test", "device": "test"}


def events(account="ann"):
    return list(
        MODELS["sign_ins"].objects.filter(account=account).order_by("pk").values_list("event", flat=True)
    )


def sign_in(client, name="ann", password=PASSWORD):
    return client.post(reverse("sign-in"), {"username": name, "password": password})


def code_of(secret, *, steps=0):
    return _totp(secret).generate(int(time.time()) + 30 * steps).decode()


@pytest.fixture
def secret(universe):
    """Ann's second factor; its codes were last used two steps ago."""
    secret = new_secret()
    universe.codes = signing_in.add_factor(by=universe.ann, secret=secret, code=code_of(secret, steps=-1))
    return secret


def is_in(client):
    return client.get(reverse("account")).status_code == 200


def test_a_sign_in_and_its_end_are_recorded(universe, client):
    assert sign_in(client).status_code == 302
    assert is_in(client)
    client.post(reverse("sign-out"))
    assert not is_in(client)
    assert events() == ["signed_in", "signed_out"]


def test_a_name_that_is_nobodys_is_not_kept(universe, client):
    sign_in(client, name="my secret typed too early")
    row = MODELS["sign_ins"].objects.get()
    assert (row.account, row.event, row.page) == (None, "wrong_password", "sign-in")


def test_five_failures_lock_for_a_while_and_the_right_password_does_not_help(universe, client):
    for _ in range(5):
        sign_in(client, password="wrong")
    answer = sign_in(client)
    assert answer.status_code == 200
    assert b"locked for 15 minutes" in answer.content
    sign_in(client)
    assert events() == ["wrong_password"] * 5 + ["locked"]
    assert not signing_in.is_locked("quinn")


def test_a_lock_ends(universe, client, monkeypatch):
    for _ in range(5):
        sign_in(client, password="wrong")
    later = timezone.now() + timedelta(minutes=16)
    monkeypatch.setattr(signing_in.timezone, "now", lambda: later)
    assert not signing_in.is_locked("ann")
    assert sign_in(client).status_code == 302


def test_a_sign_in_forgives_the_failures_before_it(universe, client):
    for _ in range(4):
        sign_in(client, password="wrong")
    sign_in(client)
    for _ in range(4):
        sign_in(client, password="wrong")
    assert not signing_in.is_locked("ann")


def test_a_signature_counts_as_an_attempt(universe, client):
    unit = universe.unit(universe.donor())
    client.force_login(universe.ann)
    for _ in range(5):
        client.post(reverse("release", args=[unit.pk]), {"signer": "quinn", "password": "wrong"})
    assert signing_in.is_locked("quinn")
    assert set(MODELS["sign_ins"].objects.filter(account="quinn").values_list("page", flat=True)) == {
        "release"
    }


def test_who_has_a_second_factor_owes_a_code(secret, client):
    answer = sign_in(client)
    assert answer.url == reverse("sign-in-code")
    assert not is_in(client)
    wrong = client.post(answer.url, {"code": "000000"})
    assert wrong.status_code == 422
    assert not is_in(client)
    assert client.post(answer.url, {"code": code_of(secret)}).status_code == 302
    assert is_in(client)
    assert events() == ["wrong_code", "signed_in"]


def test_no_code_is_taken_twice(secret):
    code = code_of(secret)
    assert signing_in.accept_code("ann", code, **WHERE)
    assert not signing_in.accept_code("ann", code, **WHERE)


def test_a_code_for_recovery_opens_once(universe, secret):
    assert signing_in.accept_code("ann", universe.codes[0].lower(), **WHERE)
    assert not signing_in.accept_code("ann", universe.codes[0], **WHERE)
    assert signing_in.codes_left("ann") == 9
    renewed = signing_in.renew_codes(by=universe.ann)
    assert not signing_in.accept_code("ann", universe.codes[1], **WHERE)
    assert signing_in.accept_code("ann", renewed[0], **WHERE)


def test_five_wrong_codes_lock(secret):
    for _ in range(5):
        assert not signing_in.accept_code("ann", "000000", **WHERE)
    assert not signing_in.accept_code("ann", code_of(secret), **WHERE)


def test_a_password_alone_is_forgotten_after_five_minutes(secret, client):
    sign_in(client)
    session = client.session
    session[door.HALF] = [session[door.HALF][0], time.time() - 301, "/"]
    session.save()
    answer = client.post(reverse("sign-in-code"), {"code": code_of(secret)})
    assert answer.url == reverse("sign-in")
    assert not is_in(client)


def test_a_second_factor_is_added_with_the_first_code_and_the_password(universe, client):
    client.force_login(universe.ann)
    page = client.get(reverse("second-factor"))
    secret = signing_in.lock().open(client.session["new_factor"])
    assert b"<svg" in page.content
    wrong = client.post(reverse("second-factor"), {"code": code_of(secret), "password": "wrong"})
    assert wrong.status_code == 422
    done = client.post(reverse("second-factor"), {"code": code_of(secret), "password": PASSWORD})
    codes = re.findall(r'<li class="code">([A-Z2-7-]+)</li>', done.content.decode())
    assert len(codes) == 10
    stored = MODELS["second_factors"].objects.get(account="ann")
    assert stored.secret != secret
    assert signing_in.accept_code("ann", codes[0], **WHERE)


def test_who_signs_is_led_to_the_second_factor_where_the_site_asks_for_it(universe, client, settings):
    settings.IS_SECOND_FACTOR_REQUIRED = True
    client.force_login(universe.quinn)
    assert client.get("/").url == reverse("second-factor")
    assert client.post(reverse("end-account"), {"username": "carl", "reason": "x"}).status_code == 302
    universe.carl.refresh_from_db()
    assert universe.carl.is_active
    assert client.get(reverse("second-factor")).status_code == 200
    client.force_login(universe.carl)
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("idle", "age", "ended"), [(1799, 1799, False), (1801, 1801, True), (10, 28801, True)]
)
def test_a_session_ends_unused_or_old(universe, client, idle, age, ended):
    sign_in(client)
    session = client.session
    session[door.SEEN], session[door.BEGAN] = time.time() - idle, time.time() - age
    session.save()
    assert is_in(client) is not ended
    assert (events()[-1] == "timed_out") is ended


def test_sessions_are_listed_and_ended_by_their_owner(universe, client):
    other = Client()
    sign_in(client)
    sign_in(other)
    key = other.session[door.SIGNED_IN]
    assert key.encode() in client.get(reverse("account")).content
    client.post(reverse("end-session", args=[key]))
    assert is_in(client)
    assert not is_in(other)
    assert signing_in.has_ended(key)
    stranger = Client()
    stranger.force_login(universe.quinn)
    mine = client.session[door.SIGNED_IN]
    assert stranger.post(reverse("end-session", args=[mine])).status_code == 404
    assert is_in(client)


def test_closing_an_account_ends_its_sessions(universe, client):
    sign_in(client, "carl")
    assert is_in(client)
    accounts.close_account(by=universe.quinn, username="carl", reason="left")
    assert not is_in(client)


def test_a_new_password_ends_the_other_sessions(universe, client):
    other = Client()
    sign_in(client)
    sign_in(other)
    values = {"present": PASSWORD, "password": NEW, "again": NEW}
    assert client.post(reverse("change-password"), {**values, "present": "wrong"}).status_code == 422
    assert client.post(reverse("change-password"), {**values, "again": "x"}).status_code == 422
    assert client.post(reverse("change-password"), values).status_code == 302
    assert is_in(client)
    assert not is_in(other)
    assert sign_in(Client(), password=PASSWORD).status_code == 200
    assert sign_in(Client(), password=NEW).status_code == 302


@pytest.mark.parametrize("password", ["short", "password1234", "123456789012", "quinn-quinn-quinn"])
def test_weak_passwords_are_refused(universe, password):
    with pytest.raises(InputError, match="too weak"):
        accounts.add_person(
            by=universe.quinn, username="quinn-quinn", password=password, site="S1", roles=["lab"]
        )


def test_a_long_password_is_taken_with_every_character(universe, client):
    long = "µ" + " pass phrase" * 12
    assert len(long) > 128
    accounts.change_password(by=universe.ann, password=long)
    assert sign_in(client, password=long[:-1]).status_code == 200
    assert sign_in(client, password=long).status_code == 302


def test_quality_lets_in_again_who_lost_everything(universe, secret, client):
    with pytest.raises(RefusedError, match="own account"):
        accounts.renew_access(by=universe.ann, username="ann", password=NEW, reason="lost")
    accounts.renew_access(by=universe.quinn, username="ann", password=NEW, reason="telephone lost")
    assert signing_in.factor_of("ann") is None
    assert sign_in(client, password=NEW).status_code == 302
    with pytest.raises(InputError, match="no account"):
        accounts.renew_access(by=universe.quinn, username="otto", password=NEW, reason="no")


def test_the_trail_holds_no_secret_in_clear(universe, secret):
    with connection.cursor() as cursor:
        cursor.execute("select coalesce(new, '') || coalesce(old, '') from audit")
        trail = "".join(row[0] for row in cursor.fetchall())
    for code in universe.codes:
        assert code not in trail
        assert code.replace("-", "") not in trail
    assert typed(secret).replace(" ", "") not in trail


def test_a_password_that_somebody_gave_is_changed_before_all_else(universe, client):
    accounts.add_person(by=universe.quinn, username="zed", password=NEW, site="S1", roles=["lab"])
    assert sign_in(client, "zed", NEW).status_code == 302
    assert client.get("/").url == reverse("change-password")
    assert client.get(reverse("units")).url == reverse("change-password")
    values = {"present": NEW, "password": PASSWORD, "again": PASSWORD}
    assert client.post(reverse("change-password"), values).status_code == 302
    assert client.get("/").status_code == 200
    again = Client()
    sign_in(again, "zed", PASSWORD)
    assert again.get("/").status_code == 200


def test_signing_out_clears_what_the_browser_kept(universe, client):
    sign_in(client)
    assert "storage" in client.post(reverse("sign-out"))["Clear-Site-Data"]
