"""States and outcomes: every history is a path in the diagram (I7), every pause has a bound."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.domain.outcome import (
    BACKOFF_CAP,
    FAULT_CAP,
    FAULT_SECONDS,
    Park,
    Wait,
    backoff,
    passing_fault,
)
from safelight.domain.states import FIRST, MOVES, STATES, diagram, may_move


@pytest.mark.parametrize("noun", MOVES)
def test_every_state_can_be_reached_and_every_move_leads_to_a_state(noun: str) -> None:
    names = {state.value for state in STATES[noun]}
    reached, todo = set(), [FIRST[noun]]
    while todo:
        state = todo.pop()
        if state not in reached:
            reached.add(state)
            todo += MOVES[noun].get(state, {})
    assert reached == names
    assert set(MOVES[noun]) <= names


# A removed photo has not ended: it can be had back while its recycle window lasts.
@pytest.mark.parametrize("noun", [noun for noun in MOVES if noun != "photo"])
def test_what_has_ended_moves_no_more(noun: str) -> None:
    ended = [s.value for s in STATES[noun] if s.value not in MOVES[noun]]
    assert ended
    assert not any(may_move(noun, before, s.value) for before in ended for s in STATES[noun])


def test_a_paid_training_never_goes_back_to_be_sent_again() -> None:
    """I2: past acceptance there is no way to `submitting`."""
    for state in ("training", "storing"):
        seen, todo = set(), [state]
        while todo:
            here = todo.pop()
            seen.add(here)
            todo += [s for s in MOVES["training"].get(here, {}) if s not in seen]
        assert "submitting" not in seen


def test_nothing_is_made_in_the_middle() -> None:
    assert may_move("training", None, "queued")
    assert not may_move("training", None, "succeeded")
    assert not may_move("training", "failed", "succeeded")


@pytest.mark.parametrize("noun", MOVES)
def test_a_diagram_names_every_state(noun: str) -> None:
    drawn = diagram(noun)
    assert all(state.value in drawn for state in STATES[noun])


@given(st.integers(1, 10_000))
def test_a_pause_is_never_longer_than_its_cap_nor_shorter_than_half_its_step(attempt: int) -> None:
    pause = backoff(attempt)
    assert min(BACKOFF_CAP, 2.0 ** min(attempt - 1, 30)) / 2 <= pause <= BACKOFF_CAP


DUE = datetime(2026, 5, 1, tzinfo=UTC)


@given(st.floats(0, FAULT_SECONDS), st.floats(0, 600))
def test_a_passing_fault_is_waited_for_as_long_as_it_lasted_up_to_a_cap(
    lasted: float, least: float
) -> None:
    wait = passing_fault("away", DUE - timedelta(seconds=lasted), DUE, least=least)
    assert isinstance(wait, Wait)
    assert wait.fault
    assert least <= wait.seconds <= max(FAULT_CAP, least)
    assert wait.seconds >= min(FAULT_CAP, lasted) / 2


def test_a_fault_that_lasts_longer_than_a_day_is_shown_to_a_person() -> None:
    assert isinstance(passing_fault("away", DUE - timedelta(hours=25), DUE), Park)
