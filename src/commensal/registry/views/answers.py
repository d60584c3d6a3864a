"""The pages behind a patient's link: one questionnaire a page, kept at every step, sent at the end.

Nothing on them says who the patient is, and nobody has to sign in: the link is the key.
"""

from __future__ import annotations

import time
from typing import Any

from django import forms
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from commensal.errors import CommensalError
from commensal.registry.actions import reported
from commensal.registry.forms import Form
from commensal.registry.questionnaires import Question, Questionnaire

A_MINUTE, MISSES_A_MINUTE = 60, 30
NO_ANSWER = ("", "no answer")


def answers(request: HttpRequest, token: str) -> HttpResponse:
    """One page of a link, or the word that it is closed."""
    link = reported.link_of(token)
    if _is_hasty(request, link):
        return _closed(request, "hasty", status=429)
    if link is None:
        return _closed(request, "unknown", status=404)
    state = reported.state_of(link)
    if state not in ("open", "begun"):
        if state == "sent":
            return _closed(request, "sent", status=410 if request.method == "POST" else 200)
        return _closed(request, "closed", status=410)
    pages = reported.asked_by(link)
    number = _page_number(request, len(pages))
    if request.method == "POST" and request.POST.get("do") == "send":
        return _send(request, token, link, pages)
    if number == 0:
        return _private(render(request, "registry/answers_start.html", {"link": link, "n": len(pages)}))
    if number > len(pages):
        return _last(request, link, pages)
    return _page(request, token, link, pages, number=number)


def _is_hasty(request: HttpRequest, link: Any | None) -> bool:
    """Whether a link is opened, or links are guessed from one address, too often in a minute.

    Who guesses from behind the same proxy does not shut out who holds a link.
    """
    who, most = (f"link-{link.pk}", A_MINUTE) if link else (request.META.get("REMOTE_ADDR"), MISSES_A_MINUTE)
    key = f"answers-{who}-{int(time.time()) // 60}"
    cache.add(key, 0, timeout=120)
    return cache.incr(key) > most


def _page_number(request: HttpRequest, n_pages: int) -> int:
    typed = (request.POST if request.method == "POST" else request.GET).get("page", "0")
    return min(int(typed), n_pages + 1) if typed.isascii() and typed.isdigit() and len(typed) < 4 else 0


def _page(
    request: HttpRequest, token: str, link: Any, pages: list[Questionnaire], *, number: int
) -> HttpResponse:
    page = pages[number - 1]
    code = page.instrument.code
    form = _form(page)(request.POST or None, initial=_typed(reported.draft_of(link).get(code, {})))
    if request.method == "POST" and form.is_valid():
        try:
            reported.keep_answers(token, code=code, answers=form.cleaned_data)
        except CommensalError as error:
            form.add_error(None, str(error))
        else:
            step = -1 if request.POST.get("do") == "back" else 1
            return redirect(f"{reverse('answers', args=[token])}?page={number + step}")
    shown = {"form": form, "page": page, "number": number, "n": len(pages)}
    return _private(
        render(request, "registry/answers_page.html", shown, status=422 if form.is_bound else 200)
    )


def _typed(kept: dict[str, float]) -> dict[str, str]:
    return {item: f"{value:g}" for item, value in kept.items()}


def _form(page: Questionnaire) -> type[Form]:
    return type("AnswersForm", (Form,), {q.item.code: _field(q) for q in page.questions})


def _field(question: Question) -> forms.Field:
    """One question; nothing is chosen for the patient."""
    words: dict[str, Any] = {"label": question.asks, "required": False}
    if question.offered:
        choices = [(f"{value:g}", said) for value, said in question.offered]
        field = forms.TypedChoiceField(
            choices=[*choices, NO_ANSWER], coerce=float, empty_value=None, widget=forms.RadioSelect, **words
        )
        field.scale = question.scale  # type: ignore[attr-defined]
        return field
    item = question.item
    return forms.FloatField(
        min_value=item.minimum,
        max_value=item.maximum,
        step_size=item.step or None,
        widget=forms.NumberInput({"inputmode": "decimal"}),
        **words,
    )


def _last(
    request: HttpRequest, link: Any, pages: list[Questionnaire], *, error: str = "", status: int = 200
) -> HttpResponse:
    draft = reported.draft_of(link)
    rows = [
        {"number": i, "title": p.title, "n": len(p.questions), "given": len(draft.get(p.instrument.code, {}))}
        for i, p in enumerate(pages, 1)
    ]
    shown = {"rows": rows, "n": len(pages), "error": error}
    return _private(render(request, "registry/answers_last.html", shown, status=status))


def _send(request: HttpRequest, token: str, link: Any, pages: list[Questionnaire]) -> HttpResponse:
    try:
        reported.send_answers(token)
    except CommensalError as error:
        return _last(request, link, pages, error=str(error), status=422)
    return redirect("answers", token=token)


def _closed(request: HttpRequest, why: str, *, status: int) -> HttpResponse:
    words = {
        "hasty": (_("Please wait a minute"), _("This page was asked for too often. Try again in a minute.")),
        "unknown": (_("This link does not work"), _("Please open it again exactly as you received it.")),
        "sent": (_("Thank you"), _("Your answers have been sent. You can close this page.")),
        "closed": (_("This link is closed"), _("It can no longer be used. Your centre can help you.")),
    }
    title, said = words[why]
    shown = {"title": title, "said": said}
    return _private(render(request, "registry/answers_closed.html", shown, status=status))


def _private(answer: HttpResponse) -> HttpResponse:
    """Keep the address, which is the key, out of search engines and of what other sites are told."""
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer
