"""The forms on paper ask for what the tables declare."""

import pytest
from django.urls import reverse

from commensal.registry.papers import PAPERS, rows_of
from commensal.registry.tables import DECLARED
from commensal.vocabulary.routes import Route


@pytest.mark.parametrize("code", PAPERS)
def test_every_line_of_a_form_is_a_declared_column(code):
    for table, names in PAPERS[code].columns:
        assert set(names) <= set(DECLARED[table].names), table
    assert len(rows_of(PAPERS[code])) == sum(len(names) for _, names in PAPERS[code].columns)
    assert PAPERS[code].checks


def test_no_form_offers_a_release_or_a_needle():
    boxes = {str(box) for paper in PAPERS.values() for row in rows_of(paper) for box in row["boxes"]}
    assert "released" not in boxes
    assert not {box for box in boxes if "venous" in box}
    assert all("venous" not in route.value for route in Route)


@pytest.mark.slow
def test_the_forms_open_for_everyone(universe, client):
    client.force_login(universe.carl)
    assert b"released on paper" in client.get(reverse("papers")).content
    for code in PAPERS:
        page = client.get(reverse("paper", args=[code])).content.decode()
        assert "☐" in page
    assert client.get(reverse("paper", args=["nothing"])).status_code == 404
