"""Run as a program: eight people give the same unit at the same moment. Prints how many succeeded.

It uses the database that the environment names, and leaves its rows there.
"""

import sys
import threading

from django.db import connection

from commensal.errors import RefusedError
from commensal.registry.site import open_registry

N_PEOPLE = 8


def give(universe, unit, patient, barrier, outcomes):
    barrier.wait()
    try:
        universe.session(patient, unit)
    except RefusedError as error:
        outcomes.append(str(error).splitlines()[0])
    else:
        outcomes.append("given")
    finally:
        connection.close()


def main():
    open_registry()
    from universe import Universe

    from commensal.registry.models import MODELS

    universe = Universe()
    unit = universe.released_unit()
    patients = [universe.patient() for _ in range(N_PEOPLE)]
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
    n_sessions = MODELS["sessions"].objects.count()
    sys.stdout.write(f"{outcomes.count('given')} {n_given} {n_sessions} {len(outcomes)}\n")


if __name__ == "__main__":
    main()
