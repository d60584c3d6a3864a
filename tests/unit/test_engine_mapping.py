"""engine.map: the same numbers wherever it runs; errors name their item."""

import numpy as np
import pytest

from commensal import engine
from commensal.errors import InputError, Problem, ProblemsFoundError


def draw(item: int, generator: np.random.Generator) -> float:
    return item + float(generator.random())


def fail_on_three(item: int, generator: np.random.Generator) -> int:
    if item == 3:
        raise InputError("three is not allowed", expected="another number", do="leave it out")
    return item


def find_problems(item: int, generator: np.random.Generator) -> int:
    raise ProblemsFoundError([Problem("patients", 1, "sex", "x", "closed_list", "unknown")], source="here")


def test_each_item_has_its_own_stream_and_the_seed_fixes_it():
    first = engine.map(draw, range(5), seed=1)
    assert first == engine.map(draw, range(5), seed=1)
    assert first != engine.map(draw, range(5), seed=2)
    assert len({round(value % 1, 12) for value in first}) == 5


def test_the_first_items_keep_their_numbers_when_more_follow():
    assert engine.map(draw, range(3), seed=9) == engine.map(draw, range(8), seed=9)[:3]


@pytest.mark.slow
def test_processes_give_the_serial_numbers_and_report_progress():
    seen: list[int] = []
    assert engine.map(draw, range(7), seed=4, processes=2, on_done=seen.append) == engine.map(
        draw, range(7), seed=4
    )
    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_no_items_is_an_empty_list():
    assert engine.map(draw, [], seed=1, processes=2) == []


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_error_names_its_item(processes):
    with pytest.raises(InputError, match="three is not allowed") as caught:
        engine.map(fail_on_three, [1, 2, 3, 4], seed=1, processes=processes)
    assert caught.value.__notes__ == ["while working on item 2: 3"]
    assert caught.value.do == "leave it out"


@pytest.mark.slow
def test_many_problems_travel_back_from_a_process():
    with pytest.raises(ProblemsFoundError) as caught:
        engine.map(find_problems, [1, 2], seed=1, processes=2)
    assert caught.value.problems[0].value == "x"
