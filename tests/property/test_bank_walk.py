"""A random walk over the bank: nothing unsafe is issued, no exposure lost; and the walk would notice."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import trial_bank

from commensal.bank import Event

N_STEPS = 50_000


@pytest.mark.slow
def test_fifty_thousand_random_steps_break_no_promise():
    tally = trial_bank.walk(n_steps=N_STEPS, seed=7)
    assert tally.n_steps == N_STEPS
    assert min(tally.n_issued, tally.n_given, tally.n_taken_back, tally.n_refused) > 100


@pytest.mark.slow
def test_the_walk_notices_a_bank_that_issues_what_it_must_not(monkeypatch):
    monkeypatch.setattr(trial_bank, "not_issuable", lambda *_, **__: "")
    with pytest.raises(trial_bank.UnsafeError, match="issued"):
        trial_bank.walk(n_steps=5_000, seed=7)


def test_the_account_notices_a_lost_exposure():
    told = trial_bank.Told(unit="U", expires=9, pathway="bookend", given={"E1": "P1"})
    told.events.append(Event("E0", "collected", day=0))
    with pytest.raises(trial_bank.UnsafeError, match="an exposure was lost"):
        trial_bank.account(told)
