"""Caps and ceilings against a real Postgres: money is reserved with the intent, and settled by its end."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from safelight.db import jobs, spending
from safelight.domain.provider import NotSent, Refused, RemoteStatus, Submission
from safelight.domain.spending import SpendingLimits
from safelight.flow.commands import Actor
from safelight.flow.context import Context
from tests.support.photos import distinct_photos
from tests.support.pipeline import (
    ScriptedProvider,
    actor,
    drain,
    row,
    subject_with_photos,
    train,
    training_row,
    turn,
)


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


def limit(cx: Context, who: Actor, **limits: Any) -> None:
    with cx.db.transaction() as tx:
        spending.set_limits(tx, who.owner_id, SpendingLimits(**limits), actor="test")


def today(cx: Context, who: Actor) -> int:
    with cx.db.transaction() as tx:
        return spending.today(tx, who.owner_id).micro_usd


def some_trainings(cx: Context, folder: Path, who: Actor, count: int) -> list[Any]:
    photos = distinct_photos(folder, 12)
    return [
        train(cx, who, subject_with_photos(cx, who, photos, name=f"s{n}").id).id
        for n in range(count)
    ]


def states(cx: Context, ids: list[Any]) -> list[str]:
    return [training_row(cx, id)["state"] for id in ids]


def test_a_training_over_the_days_cap_waits_and_goes_on_when_it_is_raised(
    cx: Context,
    provider: ScriptedProvider,
    tmp_path: Path,
) -> None:
    who = actor(cx)
    limit(cx, who, daily_cap_micro_usd=1_500_000)
    ids = some_trainings(cx, tmp_path, who, 3)
    drain(cx)
    assert sorted(states(cx, ids)) != ["training"] * 3
    sent = len(provider.creates)
    assert 1 <= sent < 3
    assert 0 < today(cx, who) <= 1_500_000
    waiting = row(
        cx,
        "SELECT reason FROM jobs WHERE kind = 'submit_training' AND state = 'ready' LIMIT 1",
    )
    assert "cap of $1.50 a day" in waiting["reason"]
    limit(cx, who, daily_cap_micro_usd=30_000_000)
    for _ in range(3):
        turn(cx, "submit_training")
    assert states(cx, ids) == ["training"] * 3
    assert len(provider.creates) == 3


def test_what_it_cost_takes_the_place_of_what_was_reserved(
    cx: Context,
    provider: ScriptedProvider,
    tmp_path: Path,
) -> None:
    who = actor(cx)
    limit(cx, who, daily_cap_micro_usd=30_000_000)
    (id,) = some_trainings(cx, tmp_path, who, 1)
    drain(cx)
    reserved = today(cx, who)
    assert reserved == training_row(cx, id)["reserved_micro_usd"] > 0
    provider.tell(
        training_row(cx, id)["provider_id"],
        status=RemoteStatus.FAILED,
        error="CUDA out of memory",
        predict_seconds=100.0,
    )
    turn(cx, "watch_trainings")
    assert training_row(cx, id)["state"] == "failed"
    assert today(cx, who) == 152_500


def test_no_more_trainings_than_the_ceiling_are_in_flight(
    cx: Context,
    provider: ScriptedProvider,
    tmp_path: Path,
) -> None:
    who = actor(cx)
    limit(cx, who, max_in_flight=2)
    ids = some_trainings(cx, tmp_path, who, 4)
    drain(cx)
    assert sorted(states(cx, ids)) == ["ready", "ready", "training", "training"]
    provider.tell(
        next(r["provider_id"] for r in (training_row(cx, i) for i in ids) if r["provider_id"]),
        status=RemoteStatus.FAILED,
        error="no",
    )
    turn(cx, "watch_trainings")
    for _ in range(2):
        turn(cx, "submit_training")
    assert sorted(states(cx, ids)) == ["failed", "ready", "training", "training"]


@pytest.mark.parametrize(
    "ending", [Refused(429, "throttled"), NotSent("refused"), Refused(402, "no")]
)
def test_a_request_that_is_sent_again_is_not_held_up_by_its_own_reservation(
    cx: Context, provider: ScriptedProvider, tmp_path: Path, ending: Submission
) -> None:
    who = actor(cx)
    limit(cx, who, daily_cap_micro_usd=1_500_000)
    (id,) = some_trainings(cx, tmp_path, who, 1)
    provider.reply = lambda *_: ending
    drain(cx)
    reserved = today(cx, who)
    assert 750_000 < reserved <= 1_500_000, "twice it would be over the cap"
    provider.reply = None
    job = row(cx, "SELECT id FROM jobs WHERE kind = 'submit_training'")
    with cx.db.transaction() as tx:
        jobs.retry(tx, job["id"], actor="test")
    turn(cx, "submit_training")
    assert states(cx, [id]) == ["training"]
    assert today(cx, who) == reserved


def test_two_requests_at_once_do_not_both_take_what_is_left(cx: Context) -> None:
    who = actor(cx)
    order: list[str] = []
    first_has_it, go_on = threading.Event(), threading.Event()

    def first() -> None:
        with cx.db.transaction() as tx:
            spending.lock_limits(tx, who.owner_id)
            first_has_it.set()
            go_on.wait(5)
            order.append("first")

    def second() -> None:
        first_has_it.wait(5)
        with cx.db.transaction() as tx:
            spending.lock_limits(tx, who.owner_id)
            order.append("second")

    threads = [threading.Thread(target=run) for run in (first, second)]
    for thread in threads:
        thread.start()
    first_has_it.wait(5)
    threads[1].join(0.3)
    go_on.set()
    for thread in threads:
        thread.join()
    assert order == ["first", "second"]
