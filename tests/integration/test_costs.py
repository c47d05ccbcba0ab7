"""Time and money of runs, by profile, out of the rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from safelight.db import runs
from safelight.domain.estimates import Basis
from safelight.flow.commands.estimates import estimate_training
from safelight.flow.context import Context
from tests.support.photos import distinct_photos
from tests.support.pipeline import actor, subject_with_photos, train

ENDED = """
UPDATE trainings SET state = %(state)s, finished_at = now(), predict_seconds = %(seconds)s, steps = 800,
    cost_micro_usd = 1525 * %(seconds)s, error = 'x', intent_id = id, intent_at = now(), sent = '{}',
    provider_id = id::text, dataset_id = %(dataset)s
WHERE id = %(id)s
"""
DATASET = """
INSERT INTO datasets (id, subject_id, number, profile, key, bytes, sha256, manifest_key, manifest, report,
                      photos)
VALUES (%(id)s, %(id)s, 1, 'x@1', 'k', 1, repeat('a', 64), 'm', '{}', '{}', 1)
"""


@pytest.fixture
def ran(cx: Context, tmp_path: Path) -> Context:
    """Seven trainings that succeeded, in 700 to 760 s, and one that failed after 5000."""
    who = actor(cx)
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 8))
    with cx.db.transaction() as tx:
        tx.run(DATASET, {"id": subject.id})
    times = [*(("succeeded", 700 + 10 * n) for n in range(7)), ("failed", 5000)]
    for state, seconds in times:
        training = train(cx, who, subject.id)
        values = {"id": training.id, "dataset": subject.id, "state": state, "seconds": seconds}
        with cx.db.transaction() as tx:
            tx.run(ENDED, values)
    return cx


def test_percentiles_are_of_what_succeeded_and_money_of_all(ran: Context) -> None:
    """K16, R-103, R-104."""
    with ran.db.transaction() as tx:
        (row,) = runs.spent(tx, actor(ran).owner_id)
        assert runs.spent(tx, actor(ran, "another").owner_id) == []
    assert (row["profile"], row["runs"], row["succeeded"]) == ("likeness@v2", 8, 7)
    assert (row["seconds_p50"], row["seconds_p95"]) == (730, pytest.approx(757))
    assert row["micro_usd_p50"] == 730 * 1525
    assert row["micro_usd"] == 1525 * (sum(700 + 10 * n for n in range(7)) + 5000)


def test_the_estimate_is_drawn_from_the_runs_of_the_profile_and_its_steps(ran: Context) -> None:
    with ran.db.transaction() as tx:
        plan, found = estimate_training(tx, "likeness@v2", images=40)
        other = estimate_training(tx, "fashion-fullbody@v2", images=10)[1]
    assert plan.steps == 1500
    assert found.seconds_p50 == pytest.approx(1500 * 730 / 800)
    assert (found.basis, found.runs) == (Basis.PROFILE, 7)
    assert (other.basis, other.runs) == (Basis.ALL, 7)


def test_before_anything_ran_the_run_on_record_is_the_estimate(cx: Context) -> None:
    with cx.db.transaction() as tx:
        assert estimate_training(tx, "likeness@v2", images=20)[1].basis is Basis.REFERENCE


def test_the_first_run_that_costs_shows_is_what_the_next_estimate_rests_on(
    cx: Context, tmp_path: Path
) -> None:
    who = actor(cx)
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 8))
    training = train(cx, who, subject.id)
    with cx.db.transaction() as tx:
        tx.run(DATASET, {"id": subject.id})
        values = {"id": training.id, "dataset": subject.id, "state": "succeeded", "seconds": 400}
        tx.run(ENDED, values)
        tx.run("UPDATE trainings SET destination = 'emulated/x'")
        (row,) = runs.spent(tx, who.owner_id)
        found = estimate_training(tx, "likeness@v2", images=40)[1]
    assert (row["runs"], row["succeeded"]) == (found.runs, found.emulated) == (1, 1)
    assert found.seconds_p50 == pytest.approx(1500 * 400 / 800)
    assert "1 run measured here, emulated" in found.words
