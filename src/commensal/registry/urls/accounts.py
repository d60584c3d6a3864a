"""Signing in and out, one's own account, the accounts of others."""

from django.contrib.auth.decorators import login_not_required
from django.urls import path

from commensal.registry.views import accesses, accounts, look, papers

urlpatterns = [
    path("sign-in", login_not_required(accounts.SignIn.as_view()), name="sign-in"),
    path("sign-in/code", login_not_required(accounts.sign_in_code), name="sign-in-code"),
    path("sign-out", login_not_required(accounts.sign_out), name="sign-out"),
    path("account", accounts.account, name="account"),
    path("account/password", accounts.change_password, name="change-password"),
    path("account/second-factor", accounts.second_factor, name="second-factor"),
    path("account/second-factor/remove", accounts.remove_factor, name="remove-factor"),
    path("account/codes", accounts.recovery_codes, name="recovery-codes"),
    path("account/sessions/<str:sign_in>/end", accounts.end_session, name="end-session"),
    path("people", look.people, name="people"),
    path("people/new", accounts.add_account, name="add-account"),
    path("people/close", accounts.end_account, name="end-account"),
    path("people/looks", accesses.accesses, name="accesses"),
    path("people/papers", papers.papers, name="papers"),
    path("people/papers/<str:paper>", papers.paper, name="paper"),
    path("people/access", accounts.renew_access, name="renew-access"),
]
