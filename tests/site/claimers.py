"""Run as a program: eight workers do forty jobs at once. Prints runs, different jobs run, jobs left."""

import sys
import threading

from django.db import connection

from commensal.registry.site import open_registry

N_WORKERS, N_JOBS = 8, 40


def main():
    open_registry()
    from commensal.registry import working
    from commensal.registry.actions import jobs
    from commensal.registry.models import MODELS

    runs, barrier = [], threading.Barrier(N_WORKERS)
    working.JOBS["count"] = lambda *, number: runs.append(number) or "counted"
    for number in range(N_JOBS):
        jobs.ask_for("count", inputs={"number": number})

    def work():
        barrier.wait()
        while MODELS["jobs"].objects.filter(attempts=0).exists():
            working.do_one()
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(N_WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    left = MODELS["jobs"].objects.filter(done_at__isnull=True).count()
    sys.stdout.write(f"{len(runs)} {len(set(runs))} {left}\n")


if __name__ == "__main__":
    main()
