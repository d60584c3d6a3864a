"""The page of a trace reads what is reached and nothing else, and says the same as the whole registry."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from universe import TODAY

from commensal.bank import trace
from commensal.registry.actions import supply
from commensal.registry.actions.custody import day_of
from commensal.registry.audit import acting
from commensal.registry.loading import load_study
from commensal.registry.models import MODELS
from commensal.registry.reached import reached_from
from commensal.registry.rows import all_frames, live_study
from commensal.registry.tracing import ROWS, shown_trace
from commensal.simulate import simulate

pytestmark = pytest.mark.slow
MAX_QUERIES = 20
PARTS = ("links", "others", "donors", "donations", "batches", "units", "sessions", "patients")


@pytest.fixture(scope="module")
def centre(tmp_path_factory):
    folder = tmp_path_factory.mktemp("traced") / "study"
    return simulate(folder, n_patients=50, seed=5, scenario="clinical_only")


def test_a_trace_of_what_is_reached_says_what_a_trace_of_everything_says(centre, db):
    load_study(centre)
    day = day_of(TODAY)
    whole = live_study(all_frames(), on_day=day)
    starts = [("donor", k) for k in centre.read("donors")["donor_id"]]
    starts += [("unit", k) for k in centre.read("units")["unit_id"].gather_every(9)]
    starts += [("patient", k) for k in centre.read("patients")["patient_id"].gather_every(4)]
    n_links = 0
    for start, key in starts:
        with CaptureQueriesContext(connection) as queries:
            reached = reached_from(on_day=day, sites=None, **{f"{start}s": [key]})
        assert len(queries) <= MAX_QUERIES
        found, expected = trace(reached.study, **{start: key}), trace(whole, **{start: key})
        for part in (*PARTS, "adverse_events", "holds"):
            rows, wanted = getattr(found, part), getattr(expected, part)
            assert rows.sort(rows.columns).equals(wanted.sort(wanted.columns)), (start, key, part)
        n_links += found.links.height
    assert n_links > 100


def test_the_states_shown_are_those_of_the_whole_registry(centre, db):
    load_study(centre)
    donor = centre.read("unit_donors")["donor_id"].value_counts(sort=True)["donor_id"][0]
    reached = reached_from(on_day=day_of(TODAY), sites=None, donors=[donor])
    shown = shown_trace(
        trace(reached.study, donor=donor), reached, first=0, first_other=0, on_day=day_of(TODAY)
    )
    stored = dict(MODELS["units"].objects.values_list("pk", "custody_state"))
    assert {u: s["custody"] for u, s in shown["states"].items()} == {u: stored[u] for u in shown["states"]}
    known = [row["patient_id"] is not None for row in shown["links"].rows]
    assert known == sorted(known, reverse=True), "patients stand on top"
    assert (shown["links"].after is not None) == (shown["links"].n > ROWS)


def test_material_of_the_same_donor_at_another_centre_is_counted_not_shown(universe):
    unit = universe.unit(universe.donor())
    donor = MODELS["unit_donors"].objects.get(unit=unit).donor_id
    patient = universe.patient(by=universe.otto, site="S2")
    away = supply.add_historical_unit(
        by=universe.otto, site_id="S2", patient=patient.pk, on=TODAY, product="frozen_suspension"
    )
    with acting("setup", reason="test"):
        MODELS["unit_donors"].objects.create(unit=away, donor_id=donor)
    client = Client()
    client.force_login(universe.ann)
    page = client.get("/trace", {"donor": donor}).content.decode()
    assert "S2: 1 unit" in " ".join(page.split())
    assert patient.pk not in page
    assert away.pk not in page


@pytest.mark.parametrize("first", ["", "-1", "x", "99999999999999", "7"])
def test_a_list_that_starts_nowhere_starts_at_the_top(given, first):
    universe, unit, *_ = given
    client = Client()
    client.force_login(universe.ann)
    page = client.get("/trace", {"unit": unit.pk, "first": first})
    assert page.status_code == 200
    assert unit.pk in page.content.decode()
