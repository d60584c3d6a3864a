"""Signing in and out, one's own account, and the accounts of others."""

from __future__ import annotations

from typing import Any

import segno
from django import forms
from django.contrib import messages
from django.contrib.auth import authenticate, update_session_auth_hash
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from commensal.errors import CommensalError, InputError, RefusedError
from commensal.registry import door
from commensal.registry.actions import accounts, signing_in
from commensal.registry.backend import device_of, page_of
from commensal.registry.forms import Form, PersonForm, make_form
from commensal.registry.second_factor import address_of, new_secret, typed
from commensal.registry.views.bank import sites_choice
from commensal.registry.views.pages import form_page

NEW_FACTOR = "new_factor"


class SignIn(LoginView):
    """The sign-in page: name and password; who has a second factor is asked for its code next."""

    template_name = "registry/sign_in.html"

    def get_form(self, form_class: Any = None) -> AuthenticationForm:
        """The two fields, without colons."""
        form = super().get_form(form_class)
        form.label_suffix = ""
        form.error_messages["invalid_login"] = _(
            "Name or password was not accepted. After five failures an account is locked for 15 minutes."
        )
        return form

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Let the person in, or ask for the code."""
        user: Any = form.get_user()
        if signing_in.factor_of(user.get_username()):
            door.wait_for_code(self.request, user, target=self.get_success_url())
            return redirect("sign-in-code")
        door.enter(self.request, user)
        return redirect(self.get_success_url())


class CodeForm(Form):
    """One code."""

    code = forms.CharField(
        label=gettext_lazy("Code"),
        help_text=gettext_lazy("Six digits from your authenticator, or one of your codes for recovery."),
        max_length=40,
        widget=forms.TextInput({"autocomplete": "one-time-code", "autofocus": True}),
    )


def sign_in_code(request: HttpRequest) -> HttpResponse:
    """The second step of signing in."""
    owed = door.waiting(request)
    if owed is None:
        return redirect("sign-in")
    user = signing_in.open_account(owed[0])
    if user is None:
        return redirect("sign-in")

    def save(values: dict[str, Any]) -> str:
        where = {"page": page_of(request), "device": device_of(request)}
        if not signing_in.accept_code(user.get_username(), values["code"], **where):
            raise RefusedError(_("The code was not accepted."), do=_("wait for the next one and give that"))
        door.enter(request, user)
        return owed[1]

    return form_page(
        request,
        CodeForm,
        title=_("Second step"),
        button=_("Sign in"),
        done=_("You are signed in."),
        back=reverse("sign-in"),
        save=save,
    )


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """The end of a session."""
    if request.user.is_authenticated:
        door.leave(request, event="signed_out")
    answer = redirect("sign-in")
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer


# --- one's own account


def account(request: HttpRequest) -> HttpResponse:
    """One's own account: second factor, password, sessions."""
    name = request.user.get_username()
    return render(
        request,
        "registry/account.html",
        {
            "factor": signing_in.factor_of(name),
            "is_needed": signing_in.needs_factor(request.user),
            "codes_left": signing_in.codes_left(name),
            "sessions": signing_in.open_sessions(name),
            "here": request.session.get(door.SIGNED_IN),
        },
    )


def _password(label: Any, *, is_new: bool = False, hint: Any = "") -> forms.CharField:
    kind = "new-password" if is_new else "current-password"
    return forms.CharField(
        label=label, help_text=hint, strip=False, widget=forms.PasswordInput({"autocomplete": kind})
    )


def _prove(request: HttpRequest, password: str) -> None:
    """Refuse (RefusedError) who does not know the password of the account that is signed in."""
    if authenticate(request, username=request.user.get_username(), password=password) != request.user:
        raise RefusedError(_("Your password was not accepted."), do=_("give your present password"))


class PasswordForm(Form):
    """A new password."""

    present = _password(gettext_lazy("Present password"))
    password = _password(
        gettext_lazy("New password"),
        is_new=True,
        hint=gettext_lazy("At least 12 characters, not a common one. A few words in a row are good."),
    )
    again = _password(gettext_lazy("New password again"), is_new=True)

    def clean(self) -> dict[str, Any]:
        """Compare the two."""
        values = super().clean() or {}
        if values.get("password") != values.get("again"):
            self.add_error("again", _("The two are not the same."))
        return values


def change_password(request: HttpRequest) -> HttpResponse:
    """A new password of one's own."""

    def save(values: dict[str, Any]) -> str:
        _prove(request, values["present"])
        user = accounts.change_password(by=request.user, password=values["password"])
        update_session_auth_hash(request, user)
        request.session[door.OWES_PASSWORD] = False
        return reverse("account")

    return form_page(
        request,
        PasswordForm,
        title=_("Change your password"),
        button=_("Change password"),
        done=_("Password changed. Your other sessions have ended."),
        back=reverse("account"),
        save=save,
    )


class FactorForm(Form):
    """The first code of a new authenticator."""

    code = forms.CharField(
        label=gettext_lazy("Code"),
        help_text=gettext_lazy("Six digits from your authenticator."),
        max_length=20,
        widget=forms.TextInput({"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )
    password = _password(gettext_lazy("Your password"))


def second_factor(request: HttpRequest) -> HttpResponse:
    """A new second factor: the secret as a picture and in letters, and the first code as a proof."""
    name = request.user.get_username()
    if signing_in.factor_of(name):
        return redirect("account")
    lock = signing_in.lock()
    if NEW_FACTOR not in request.session:
        request.session[NEW_FACTOR] = lock.seal(new_secret())
    secret = lock.open(request.session[NEW_FACTOR])
    form = FactorForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            _prove(request, form.cleaned_data["password"])
            codes = signing_in.add_factor(by=request.user, secret=secret, code=form.cleaned_data["code"])
        except CommensalError as error:
            form.add_error(None, str(error))
        else:
            del request.session[NEW_FACTOR]
            request.session[door.HAS_FACTOR] = True
            return _show_codes(request, codes)
    shown = {
        "form": form,
        "secret": typed(secret),
        "picture": _picture(address_of(secret, account=name)),
        "is_needed": signing_in.needs_factor(request.user),
    }
    return render(request, "registry/second_factor.html", shown, status=422 if form.is_bound else 200)


def _picture(address: str) -> str:
    """Return a QR code as an element of the page; it holds nothing but modules."""
    code = segno.make(address, error="m")
    return mark_safe(code.svg_inline(scale=5, light="#fff", dark="#000"))  # noqa: S308  drawn by us


def _show_codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    return render(request, "registry/recovery_codes.html", {"codes": codes})


class ProofForm(Form):
    """One's password."""

    password = _password(gettext_lazy("Your password"))


def remove_factor(request: HttpRequest) -> HttpResponse:
    """The end of one's second factor."""

    def save(values: dict[str, Any]) -> str:
        _prove(request, values["password"])
        signing_in.remove_factor(by=request.user)
        request.session[door.HAS_FACTOR] = False
        return reverse("account")

    return form_page(
        request,
        ProofForm,
        title=_("Remove the second factor"),
        button=_("Remove"),
        done=_("Second factor removed."),
        back=reverse("account"),
        save=save,
    )


def recovery_codes(request: HttpRequest) -> HttpResponse:
    """New codes for recovery; the old ones end."""
    form = ProofForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            _prove(request, form.cleaned_data["password"])
            return _show_codes(request, signing_in.renew_codes(by=request.user))
        except CommensalError as error:
            form.add_error(None, str(error))
    shown = {
        "form": form,
        "title": _("New codes for recovery"),
        "button": _("Make new codes"),
        "back": reverse("account"),
    }
    return render(request, "registry/form.html", shown, status=422 if form.is_bound else 200)


@require_POST
def end_session(request: HttpRequest, sign_in: str) -> HttpResponse:
    """The end of one of one's own sessions."""
    try:
        signing_in.end_own_session(by=request.user, sign_in=sign_in)
    except InputError as error:
        raise Http404(sign_in) from error
    messages.success(request, _("Session ended."))
    return redirect("account")


# --- accounts of others


def add_account(request: HttpRequest) -> HttpResponse:
    """A new account at one of the person's centres."""
    form = type("AccountForm", (PersonForm,), sites_choice(request))

    def save(values: dict[str, Any]) -> str:
        values["site"] = values.pop("site_id")
        accounts.add_person(by=request.user, **values)
        return reverse("people")

    return form_page(
        request,
        form,
        title=_("New account"),
        button=_("Add account"),
        done=_("Account added."),
        back=reverse("people"),
        save=save,
    )


def end_account(request: HttpRequest) -> HttpResponse:
    """The end of an account."""

    def save(values: dict[str, Any]) -> str:
        accounts.close_account(by=request.user, **values)
        return reverse("people")

    return form_page(
        request,
        make_form("sites", (), needs_reason=True, more={"username": forms.SlugField(label=_("Name"))}),
        title=_("Close an account"),
        button=_("Close account"),
        done=_("Account closed, its sessions ended."),
        back=reverse("people"),
        save=save,
    )


def renew_access(request: HttpRequest) -> HttpResponse:
    """A first password again for somebody who cannot sign in."""
    more = {
        "username": forms.SlugField(label=_("Name")),
        "password": _password(
            _("First password"), is_new=True, hint=_("At least 12 characters; tell it in person.")
        ),
    }

    def save(values: dict[str, Any]) -> str:
        accounts.renew_access(by=request.user, **values)
        return reverse("people")

    return form_page(
        request,
        make_form("sites", (), needs_reason=True, more=more),
        title=_("Let somebody in again"),
        button=_("Give new password"),
        done=_("New password given; a second factor was taken off, sessions ended."),
        back=reverse("people"),
        save=save,
    )
