"""A live study of one recipient and the stock of the centre: what a match run and a re-plan read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from commensal.registry.models import MODELS
from commensal.registry.rows import OF_A_PATIENT, frame_of, live_study
from commensal.study import Study

IN_STOCK = ("processed", "stored", "released", "reserved", "thawed")
ALSO_OF_A_PATIENT = ("hospitalisations", "reported_outcomes", "adverse_events")
SINCE_THE_FREEZER = ("reserved", "reservation_ended", "thawed", "issued", "partly_administered")
OF_A_DONOR = ("donations", "screenings", "consents")


def match_study(patient: Any, *, on_day: int, at_hand: Iterable[str] = ()) -> Study:
    """Return a study of a patient's records, the units in stock at the patient's centre and their donors.

    Units the patient was given before are in it too: a reaction to a donor is read from them. The registry
    holds no abundances, so what is read from communities is left out of a run, by name. Units ``at_hand``
    are looked at as they stood in the freezer: their custody since is checked event by event elsewhere.
    """
    units = MODELS["units"].objects
    in_stock = list(
        units.filter(site=patient.site_id, custody_state__in=IN_STOCK).values_list("pk", flat=True)
    )
    used = MODELS["session_units"].objects.filter(session__patient=patient)
    taken = set(at_hand)
    keys = {*in_stock, *taken, *used.values_list("unit_id", flat=True)}
    parts = MODELS["unit_donors"].objects.filter(unit__in=keys)
    donors = set(parts.values_list("donor_id", flat=True))
    rows = {
        "patients": MODELS["patients"].objects.filter(pk=patient.pk),
        **{t: MODELS[t].objects.filter(patient=patient) for t in (*OF_A_PATIENT, *ALSO_OF_A_PATIENT)},
        "session_units": used,
        "units": units.filter(pk__in=keys),
        "unit_donors": parts,
        "custody": MODELS["custody"]
        .objects.filter(unit__in=keys)
        .exclude(unit__in=taken, event__in=SINCE_THE_FREEZER)
        .exclude(unit__in=taken, corrects__event__in=SINCE_THE_FREEZER),
        "holds": MODELS["holds"].objects.all(),
        "batches": MODELS["batches"].objects.filter(pk__in=units.filter(pk__in=keys).values("batch")),
        "donors": MODELS["donors"].objects.filter(pk__in=donors),
        **{t: MODELS[t].objects.filter(donor__in=donors) for t in OF_A_DONOR if t != "consents"},
    }
    frames = {table: frame_of(table, found) for table, found in rows.items()}
    of_donors = frame_of("consents", MODELS["consents"].objects.filter(donor__in=donors))
    frames["consents"] = frames["consents"].vstack(of_donors)
    return live_study(frames, on_day=on_day)
