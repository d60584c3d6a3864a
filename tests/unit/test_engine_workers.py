"""Workers: several maps share one start; a call runs once, wherever; errors and large values cross over."""

import os
import time

import pytest

from commensal import engine
from commensal.errors import InputError


def where(_item: int) -> int:
    time.sleep(0.05)
    return os.getpid()


def double(item: int) -> int:
    return 2 * item


def total(shared: engine.Shared[list[int]], item: int) -> int:
    return sum(shared.value) + item


def identity_of(shared: engine.Shared[list[int]]) -> int:
    time.sleep(0.05)
    return id(shared.value)


def refuse(item: int) -> int:
    raise InputError(f"{item} is not allowed")


def vanish() -> None:
    os._exit(1)


def draw(item: int, generator) -> float:
    return item + float(generator.random())


def test_one_process_works_alone_and_in_order():
    with engine.workers(1) as team:
        assert team.n == 1
        given = [team.give(double, n) for n in range(4)]
        assert list(team.results(given)) == [0, 2, 4, 6]
        shared = team.share([1, 2, 3])
        assert shared.value == [1, 2, 3]
        assert list(team.results([team.give(total, shared, 10)])) == [16]


def test_an_error_comes_up_and_what_was_not_begun_is_left_out():
    with engine.workers(1) as team:
        given = [team.give(double, 1), team.give(refuse, 2), team.give(double, 3)]
        with pytest.raises(InputError, match="2 is not allowed"):
            list(team.results(given))
        assert given[2].cancelled()
        assert list(team.results([team.give(double, 4)])) == [8], "and the queue is of use again"


def test_workers_that_are_given_are_not_ended():
    with engine.workers(1) as team:
        with engine.workers(team) as same:
            assert same is team
        assert engine.map(draw, range(3), seed=5, processes=team) == engine.map(draw, range(3), seed=5)


@pytest.mark.slow
def test_this_process_works_beside_the_other_and_the_other_serves_several_maps():
    with engine.workers(2, ready=["commensal.errors"]) as team:
        first = set(team.results([team.give(where, n) for n in range(60)]))
        second = set(team.results([team.give(where, n) for n in range(20)]))
        assert len(first) == 2
        assert os.getpid() in first
        assert second == first


@pytest.mark.slow
def test_an_other_begins_before_anybody_waits():
    with engine.workers(2) as team:
        assert team.give(where, 0).result(timeout=60) != os.getpid()


@pytest.mark.slow
def test_a_shared_value_is_read_once_in_each_process():
    with engine.workers(2) as team:
        shared = team.share(list(range(1000)))
        there = [team.give(identity_of, shared).result(timeout=60) for _ in range(3)]
        assert len(set(there)) == 1
        assert team.give(total, shared, 1).result(timeout=60) == 499_501


@pytest.mark.slow
def test_the_death_of_an_other_is_an_error_not_a_wait():
    with engine.workers(2) as team:
        gone = team.give(vanish)
        with pytest.raises(Exception, match="terminated abruptly"):
            gone.result(timeout=60)


@pytest.mark.slow
def test_leaving_with_an_error_begins_nothing_more():
    later = []

    def stopped() -> None:
        with engine.workers(2) as team:
            later.extend(team.give(where, n) for n in range(200))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert sum(future.done() for future in later) < 10
