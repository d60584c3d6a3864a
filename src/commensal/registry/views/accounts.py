"""Signing in, and new accounts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from commensal.registry.actions.accounts import add_person, close_account
from commensal.registry.audit import acting
from commensal.registry.forms import PersonForm, make_form
from commensal.registry.views.bank import sites_choice
from commensal.registry.views.pages import form_page


class SignIn(LoginView):
    """The sign-in page. A password hashed anew at sign-in is changed in the person's own name."""

    template_name = "registry/sign_in.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check name and password."""
        with acting(request.POST.get("username", "")[:150] or "nobody", reason="sign in"):
            return super().post(request, *args, **kwargs)

    def get_form(self, form_class: Any = None) -> AuthenticationForm:
        """The two fields, without colons."""
        form = super().get_form(form_class)
        form.label_suffix = ""
        return form


def add_account(request: HttpRequest) -> HttpResponse:
    """A new account at one of the person's centres."""
    form = type("AccountForm", (PersonForm,), sites_choice(request))

    def save(values: dict[str, Any]) -> str:
        values["site"] = values.pop("site_id")
        add_person(by=request.user, **values)
        return reverse("people")

    return form_page(
        request,
        form,
        title="New account",
        button="Add account",
        done="Account added.",
        back=reverse("people"),
        save=save,
    )


def end_account(request: HttpRequest) -> HttpResponse:
    """The end of an account."""
    more = {"username": forms.SlugField(label="Name")}

    def save(values: dict[str, Any]) -> str:
        close_account(by=request.user, **values)
        return reverse("people")

    return form_page(
        request,
        make_form("sites", (), needs_reason=True, more=more),
        title="Close an account",
        button="Close account",
        done="Account closed.",
        back=reverse("people"),
        save=save,
    )
