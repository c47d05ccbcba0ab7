"""What a webhook's mark leads to, by where the run stands; never a walk over everything in flight."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from safelight.domain.nouns import Training
from safelight.domain.provider import Unknown
from safelight.flow.commands import Actor
from safelight.flow.commands.nudges import nudge
from safelight.flow.context import Context
from tests.support.photos import distinct_photos
from tests.support.pipeline import (
    ScriptedProvider,
    drain,
    hurry,
    row,
    subject_with_photos,
    train,
    training_row,
    turn,
)


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def asked(cx: Context, who: Actor, tmp_path: Path) -> Training:
    """Asked for, and not begun."""
    return train(cx, who, subject_with_photos(cx, who, distinct_photos(tmp_path, 8)).id)


def nudged(cx: Context, training: Training) -> str:
    intent = training_row(cx, training.id)["intent_id"]
    with cx.db.transaction() as tx:
        return nudge(tx, str(intent))


def job(cx: Context, kind: str) -> dict[str, Any]:
    return row(cx, "SELECT * FROM jobs WHERE kind = %(kind)s ORDER BY id DESC", kind=kind)


@pytest.mark.parametrize("intent", [None, "", "no id", "0000000000", str(UUID(int=7))])
def test_a_mark_that_is_none_of_ours_leads_to_nothing(cx: Context, intent: str | None) -> None:
    with cx.db.transaction() as tx:
        assert nudge(tx, intent) == "nothing: no run of ours bears its mark"


def untouched(cx: Context) -> bool:
    """Whether the watch over everything waits as long as before."""
    return bool(
        row(cx, "SELECT due_at > now() AS yes FROM jobs WHERE kind = 'watch_trainings'")["yes"]
    )


def test_a_run_in_flight_is_looked_at_and_no_other(cx: Context, asked: Training) -> None:
    drain(cx)
    hold_watch(cx)
    assert nudged(cx, asked) == f"look_at_training {asked.id}"
    assert job(cx, "look_at_training")["state"] == "ready"
    assert untouched(cx)


def hold_watch(cx: Context) -> None:
    with cx.db.transaction() as tx:
        tx.run("UPDATE jobs SET due_at = now() + interval '1 hour' WHERE kind = 'watch_trainings'")


@pytest.mark.parametrize("state", ["storing", "failed", "canceled"])
def test_a_late_webhook_of_a_run_that_is_not_in_flight_makes_nothing_due(
    cx: Context, asked: Training, state: str
) -> None:
    drain(cx)
    hold_watch(cx)
    with cx.db.transaction() as tx:
        tx.run(
            "UPDATE trainings SET state = %(state)s::training_state, error = 'x', finished_at = %(ended)s",
            {"state": state, "ended": None if state == "storing" else datetime.now(UTC)},
        )
    assert nudged(cx, asked) == f"nothing: {asked.id} is {state}"
    assert untouched(cx)
    assert row(cx, "SELECT count(*) AS n FROM jobs WHERE kind = 'look_at_training'")["n"] == 0


def test_a_webhook_that_is_quicker_than_the_answer_is_looked_at_a_little_later(
    cx: Context, asked: Training
) -> None:
    drain(cx)
    with cx.db.transaction() as tx:
        tx.run("UPDATE trainings SET state = 'submitting'")
    nudged(cx, asked)
    with cx.db.transaction() as tx:
        tx.run("UPDATE trainings SET state = 'training'")
    look = row(
        cx,
        "SELECT extract(epoch FROM due_at - now())::float8 AS s FROM jobs "
        "WHERE kind = 'look_at_training'",
    )
    assert 0 < look["s"] <= 2


def test_a_webhook_of_a_parked_unknown_is_evidence_and_it_is_searched_for_and_adopted(
    cx: Context, asked: Training, provider: ScriptedProvider
) -> None:
    """I2: the reply was lost, the list did not show it in time, a person was asked; then it speaks."""
    sent: list[Any] = []

    def lose(_kind: str, input: Any) -> Unknown:
        sent.append(input)
        return Unknown("read timeout")

    provider.reply = lose
    drain(cx)
    with cx.db.transaction() as tx:
        tx.run("UPDATE trainings SET intent_at = now() - interval '1 hour'")
    hurry(cx, kinds=["settle_training"])
    drain(cx)
    assert job(cx, "settle_training")["state"] == "parked"
    provider.add(sent[0])
    assert nudged(cx, asked) == f"settle_training {asked.id}"
    turn(cx, "settle_training")
    assert training_row(cx, asked.id)["state"] == "training"
