"""One call behind the caller: in order, one at a time, errors never lost."""

import threading

import pytest

from commensal.engine import one_behind


def test_calls_run_in_order_and_all_are_done_on_leaving():
    done: list[int] = []
    with one_behind() as hand_over:
        for i in range(20):
            hand_over(done.append, i)
    assert done == list(range(20))


def test_at_most_one_call_is_under_way():
    gate, running = threading.Event(), []

    def slow(i: int) -> None:
        running.append(i)
        gate.wait(5)

    with one_behind() as hand_over:
        hand_over(slow, 0)
        threading.Timer(0.05, gate.set).start()
        hand_over(slow, 1)
        assert running[0] == 0
        assert gate.is_set(), "the second call waited for the first"


def test_an_error_comes_up_on_leaving():
    def fail() -> None:
        raise ValueError("disk full")

    with pytest.raises(ValueError, match="disk full"), one_behind() as hand_over:
        hand_over(fail)


def test_nothing_runs_after_an_error():
    def fail() -> None:
        raise ValueError("disk full")

    reached: list[int] = []

    def two_calls() -> None:
        with one_behind() as hand_over:
            hand_over(fail)
            hand_over(reached.append, 1)

    with pytest.raises(ValueError, match="disk full"):
        two_calls()
    assert reached == []
