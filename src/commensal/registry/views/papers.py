"""Forms on paper, to be printed before they are needed."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from commensal.registry.papers import PAPERS, rows_of


def papers(request: HttpRequest) -> HttpResponse:
    """The sheets there are."""
    return render(request, "registry/papers.html", {"papers": PAPERS})


def paper(request: HttpRequest, paper: str) -> HttpResponse:
    """One sheet."""
    if paper not in PAPERS:
        raise Http404(paper)
    sheet = PAPERS[paper]
    return render(request, "registry/paper.html", {"paper": sheet, "rows": rows_of(sheet)})
