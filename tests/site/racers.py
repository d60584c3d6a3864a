"""Run as a program: eight people give the same unit at the same moment, race after race.

Prints "R races, N with exactly one winner". It uses the database that the environment names.
"""

import sys
import threading

from django.db import connection

from commensal.errors import RefusedError
from commensal.registry.site import open_registry

N_PEOPLE = 8


def another(unit, number, models):
    """A copy of a released unit with its custody."""
    kept = list(models["custody"].objects.filter(unit=unit).order_by("sequence"))
    parts = list(models["unit_donors"].objects.filter(unit=unit))
    made = models["units"].objects.get(pk=unit.pk)
    made.pk = f"R{number}"
    made.save(force_insert=True)
    for row in kept:
        row.pk, row.unit_id = f"R{number}-{row.sequence}", made.pk
        row.save(force_insert=True)
    for row in parts:
        row.pk, row.unit_id = None, made.pk
        row.save(force_insert=True)
    return made


def give(universe, unit, patient, barrier, outcomes):
    barrier.wait()
    try:
        universe.session(patient, unit)
    except RefusedError:
        outcomes.append(False)
    else:
        outcomes.append(True)
    finally:
        connection.close()


def main():
    open_registry()
    from universe import Universe

    from commensal.registry.audit import acting
    from commensal.registry.models import MODELS

    universe = Universe()
    first = universe.released_unit()
    patients = [universe.patient() for _ in range(N_PEOPLE)]
    n_races, n_fair = int(sys.argv[1]), 0
    for number in range(n_races):
        with acting("setup", reason="race"):
            unit = another(first, number, MODELS)
        barrier, outcomes = threading.Barrier(N_PEOPLE), []
        people = [
            threading.Thread(target=give, args=(universe, unit, patient, barrier, outcomes))
            for patient in patients
        ]
        for person in people:
            person.start()
        for person in people:
            person.join()
        n_given = MODELS["custody"].objects.filter(unit=unit, event="administered").count()
        n_fair += outcomes.count(True) == n_given == 1 and len(outcomes) == N_PEOPLE
    sys.stdout.write(f"{n_races} races of {N_PEOPLE} for one unit, exactly one winner in {n_fair}\n")


if __name__ == "__main__":
    main()
