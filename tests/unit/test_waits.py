"""How long what is due waits, from samples made by hand."""

from __future__ import annotations

from typing import Any

from safelight.chaos.waits import Waits


def sample(*, claims: int = 7, held: int = 0, due: float = 0.0) -> list[dict[str, Any]]:
    return [{"queue": "poll", "claims": claims, "held": held, "due_seconds": due}]


def test_a_due_job_that_no_one_claims_is_found() -> None:
    waits = Waits(100.0)
    waits.look(100.5, sample())
    for second in range(1, 8):
        waits.look(101.0 + second, sample(due=float(second)))
    assert waits.worst == {"poll": 7.0}
    assert len(waits.violations()) == 1


def test_it_is_found_though_it_is_claimed_in_the_end() -> None:
    waits = Waits(100.0)
    waits.look(100.5, sample())
    waits.look(107.5, sample(due=6.5))
    waits.look(108.0, sample(claims=8, held=1))
    assert waits.violations()
    assert waits.claims == 1


def test_jobs_that_wait_for_their_turn_behind_others_are_let_pass() -> None:
    waits = Waits(100.0)
    for second in range(40):
        waits.look(101.0 + second, sample(held=2, due=60.0 + second))
    for turn in range(40):
        waits.look(141.0 + turn, sample(claims=8 + turn, due=100.0 + turn))
    assert waits.violations() == []
    assert waits.claims == 40


def test_what_was_due_before_it_was_quiet_counts_from_then() -> None:
    waits = Waits(100.0)
    waits.look(100.5, sample(due=300.0))
    assert waits.violations() == []
    waits.look(106.0, sample(due=305.5))
    assert waits.violations()
