"""What every page needs: today, lists page by page, and a form that ends in an action."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from django.contrib import messages
from django.db import IntegrityError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from commensal.errors import CommensalError
from commensal.registry.forms import Form
from commensal.registry.scope import seen

ROWS = 50


def today() -> date:
    """The calendar date at the registry."""
    return timezone.localdate()


def one(request: HttpRequest, table: str, pk: str) -> Any:
    """Return a row the person may see, or no page."""
    found = seen(request, table).filter(pk=pk).first()
    if found is None:
        raise Http404(f"no {table} {pk} at your centres")
    return found


def page_of(request: HttpRequest, rows: QuerySet) -> dict[str, Any]:
    """Return one page of rows by key, newest key first, and the key the next page starts after."""
    before = request.GET.get("before")
    rows = rows.filter(pk__lt=before) if before else rows
    shown = list(rows.order_by("-pk")[: ROWS + 1])
    return {"rows": shown[:ROWS], "next": shown[ROWS - 1].pk if len(shown) > ROWS else None}


def form_page(
    request: HttpRequest,
    form_class: type[Form],
    *,
    title: str,
    button: str,
    save: Callable[[dict[str, Any]], str],
    done: str,
    back: str,
    initial: dict[str, Any] | None = None,
    template: str = "registry/form.html",
    **context: Any,
) -> HttpResponse:
    """Show a form; on a valid answer call ``save``, which makes the change and returns where to go next.

    A refusal of an action or of the database comes back on the form, in words, with everything as typed.
    """
    form = form_class(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            target = save(form.cleaned_data)
        except CommensalError as error:
            form.add_error(None, str(error))
        except IntegrityError as error:
            form.add_error(None, f"The database refused the entry: {error}")
        else:
            messages.success(request, done)
            return redirect(target)
    status = 422 if form.is_bound else 200
    shown = {"form": form, "title": title, "button": button, "back": back, **context}
    return render(request, template, shown, status=status)
