"""What was agreed to: texts, signatures, withdrawals, files, and who must be asked."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from commensal.errors import CommensalError
from commensal.registry import forms as made
from commensal.registry.actions import consents, screening
from commensal.registry.files import SUFFIXES
from commensal.registry.people_forms import SCOPE_WORDS, file_field, scope_fields
from commensal.registry.people_lists import patients_to_ask
from commensal.registry.scope import roles_of, seen
from commensal.registry.tables.consents import SCOPES
from commensal.registry.views.bank import sites_choice
from commensal.registry.views.pages import form_page, one, today
from commensal.registry.views.people import OWNERS
from commensal.registry.words import label_of
from commensal.vocabulary.governance import consent_types, withdrawal_levels


def texts(request: HttpRequest) -> HttpResponse:
    """The consent texts of the person's centres, those in use on top."""
    rows = seen(request, "consent_texts").order_by("-valid_from_on", "type", "version")
    return render(request, "registry/consent_texts.html", {"rows": rows, "on": today()})


def add_text(request: HttpRequest) -> HttpResponse:
    """A new version of a consent text."""
    names = ("type", "version", "language", "valid_from_on", "asks_again")
    more = {**sites_choice(request), "file": file_field(_("The text"), is_required=False)}
    form = made.make_form("consent_texts", names, required=("version", "language"), more=more)

    def save(values: dict[str, Any]) -> str:
        file = values.pop("file")
        consents.add_consent_text(by=request.user, file=file.read() if file else None, **values)
        return reverse("consent-texts")

    return form_page(
        request,
        form,
        title=_("New consent text"),
        button=_("Add text"),
        done=_("Text added."),
        back=reverse("consent-texts"),
        save=save,
        initial={"valid_from_on": today(), "language": "en"},
    )


def end_text(request: HttpRequest, pk: str) -> HttpResponse:
    """The last day a text may be signed."""
    row = one(request, "consent_texts", pk)

    def save(values: dict[str, Any]) -> str:
        consents.end_consent_text(
            by=request.user, text=pk, on=values["valid_until_on"], reason=values["reason"]
        )
        return reverse("consent-texts")

    return form_page(
        request,
        made.make_form("consent_texts", ("valid_until_on",), required=("valid_until_on",), needs_reason=True),
        title=_("End of version %(version)s") % {"version": row.version},
        button=_("Record"),
        done=_("Recorded."),
        back=reverse("consent-texts"),
        save=save,
        initial={"valid_until_on": today()},
    )


def consents_of(request: HttpRequest, table: str, pk: str) -> HttpResponse:
    """What one person agreed to, how far a withdrawal goes, and the files."""
    row = one(request, table, pk)
    what = OWNERS[table]
    rows = list(seen(request, "consents").filter(**{what: pk}).order_by("-signed_on", "pk"))
    asked = seen(request, "consent_scopes").filter(consent__in=[c.pk for c in rows])
    given = {c.pk: [s for s in asked if s.consent_id == c.pk] for c in rows}
    state = consents.permitted_of(pk, on=today()) if what == "patient" else None
    return render(
        request,
        "registry/consents.html",
        {
            "what": what,
            "row": row,
            "state": state,
            "rows": [
                {
                    "row": c,
                    "kind": _kind_words(c.type),
                    "granted": [SCOPE_WORDS[s.scope] for s in given[c.pk] if s.is_granted],
                    "refused": [SCOPE_WORDS[s.scope] for s in given[c.pk] if s.is_granted is False],
                }
                for c in rows
            ],
            "due": patients_to_ask(request.sites, on=today(), patient=pk) if what == "patient" else [],  # type: ignore[attr-defined]
            "files": seen(request, "attachments").filter(**{what: pk}).order_by("-uploaded_at"),
            "sign": reverse(f"sign-{what}-consent", args=[pk]),
            "withdraw": reverse(f"withdraw-{what}", args=[pk]),
            "attach": reverse(f"attach-{what}", args=[pk]),
        },
    )


def _kind_words(kind: str) -> str:
    found = consent_types().get(kind)
    return found.label if found else label_of((), kind)


def sign(request: HttpRequest, table: str, pk: str) -> HttpResponse:
    """A signature: which text, when, and what of it was allowed."""
    row = one(request, table, pk)
    what = OWNERS[table]
    back = reverse(f"{what}-consents", args=[pk])
    known = consents.texts_in_use(sites=[row.site_id], is_donor=what == "donor")
    if not known and what == "donor":
        return _sign_without_text(request, pk, reverse("donor", args=[pk]))
    words = [
        (t.pk, f"{_kind_words(t.type)} · {t.version} · {t.language} · {_('from')} {t.valid_from_on}")
        for t in known
    ]
    more: dict[str, forms.Field] = made.with_choices(
        "text", words, words=_("Text signed"), hint=_("The texts of the person's centre.")
    )
    more |= made.make_form("consents", ("signed_on", "study_id"), required=("signed_on",)).base_fields
    more |= scope_fields()
    more["scan"] = file_field(_("Scan of the signed page"), is_required=False)

    def save(values: dict[str, Any]) -> str:
        scan = values["scan"]
        consents.sign_consent(
            by=request.user,
            text=values["text"],
            signed_on=values["signed_on"],
            study_id=values["study_id"],
            scopes={scope: values[f"scope-{scope}"] for scope in SCOPES},
            scan=scan.read() if scan else None,
            **{what: pk},
        )
        return back

    return form_page(
        request,
        made.make_form("consents", (), more=more),
        title=_("Consent of %(what)s %(pk)s") % {"what": what, "pk": pk},
        button=_("Record consent"),
        done=_("Consent recorded."),
        back=back,
        save=save,
        before="" if known else _("The centre has no consent text yet: add one first."),
    )


def _sign_without_text(request: HttpRequest, pk: str, back: str) -> HttpResponse:
    """A donor's consent at a centre that keeps no texts here."""

    def save(values: dict[str, Any]) -> str:
        screening.add_donor_consent(by=request.user, donor=pk, **values)
        return back

    return form_page(
        request,
        made.make_form("consents", ("signed_on", "version", "language"), required=("signed_on",)),
        title=_("Consent of donor %(pk)s") % {"pk": pk},
        button=_("Record consent"),
        done=_("Consent recorded."),
        back=back,
        save=save,
        before=_("The centre keeps no consent texts here; the version is taken as written."),
    )


def withdraw(request: HttpRequest, table: str, pk: str) -> HttpResponse:
    """A withdrawal and how far it goes."""
    one(request, table, pk)
    what = OWNERS[table]
    back = reverse(f"{what}-consents", args=[pk])
    levels = [(level.code, f"{level.code} · {level.label}") for level in withdrawal_levels().values()]
    more: dict[str, forms.Field] = made.with_choices("level", levels, words=_("How far"))
    more |= made.make_form("dispositions", ("occurred_on",), required=("occurred_on",)).base_fields

    def save(values: dict[str, Any]) -> str:
        run = consents.withdraw_patient if what == "patient" else consents.withdraw_donor
        note = values["reason"]
        run(
            by=request.user,
            level=values["level"],
            on=values["occurred_on"],
            note=note,
            reason=note,
            **{what: pk},
        )
        return back

    return form_page(
        request,
        made.make_form("dispositions", (), needs_reason=True, more=more),
        title=_("Withdrawal of %(what)s %(pk)s") % {"what": what, "pk": pk},
        button=_("Record withdrawal"),
        done=_("Withdrawal recorded; it holds from now on."),
        back=back,
        save=save,
        initial={"occurred_on": today()},
        before=_(
            "The trace of material and records of serious adverse events are kept at every level. "
            "Unissued material of a donor is held."
        ),
    )


def due(request: HttpRequest) -> HttpResponse:
    """Who must be asked for a consent."""
    found = patients_to_ask(request.sites, on=today())  # type: ignore[attr-defined]
    return render(
        request,
        "registry/consents_due.html",
        {"rows": [{"due": d, "kind": _kind_words(d.what)} for d in found[:200]], "n": len(found)},
    )


def attach(request: HttpRequest, table: str, pk: str) -> HttpResponse:
    """A file of one person."""
    one(request, table, pk)
    what = OWNERS[table]
    back = reverse(f"{what}-consents", args=[pk])
    more = made.make_form("attachments", ("kind", "title"), required=("kind", "title")).base_fields
    more["file"] = file_field(_("File"))

    def save(values: dict[str, Any]) -> str:
        content = values["file"].read()
        consents.attach(
            by=request.user, file=content, kind=values["kind"], title=values["title"], **{what: pk}
        )
        return back

    return form_page(
        request,
        made.make_form("attachments", (), more=more),
        title=_("File of %(what)s %(pk)s") % {"what": what, "pk": pk},
        button=_("Keep file"),
        done=_("File kept."),
        back=back,
        save=save,
    )


def attachment(request: HttpRequest, pk: str) -> HttpResponse:
    """A kept file, to be saved and never shown in the page."""
    one(request, "attachments", pk)
    may_see_names = roles_of(request.user) & set(consents.open_file.roles)
    read = consents.open_file if may_see_names else consents.open_plain_file
    try:
        row, content = read(by=request.user, attachment=pk)
    except CommensalError as error:
        return render(request, "registry/refused.html", {"refusal": str(error)}, status=409)
    name = f"{row.kind}-{row.sha256[:8]}.{SUFFIXES[row.media_type]}"
    return HttpResponse(
        content,
        content_type=row.media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )
