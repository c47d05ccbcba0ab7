"""The `poll` queue: what the provider shows goes into Postgres, and every ending has its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from safelight.db import jobs, trainings
from safelight.domain.errors import ProviderRefused, Retryable, TokenRefused
from safelight.domain.nouns import Training
from safelight.domain.provider import RemoteStatus
from safelight.domain.queues import Kind, Queue
from safelight.flow import paid
from safelight.flow.context import Context
from tests.support.photos import distinct_photos
from tests.support.pipeline import (
    ScriptedProvider,
    actor,
    drain,
    history,
    row,
    subject_with_photos,
    train,
    training_row,
    turn,
)

BAR = "flux_train_replicate:  42%|####      | {step}/500 [05:00<06:00,  1.39it/s, lr: 4.0e-04 loss: 2.5e-01]"


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def training(cx: Context, tmp_path: Path) -> Training:
    """With the provider, starting."""
    who = actor(cx)
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 12))
    training = train(cx, who, subject.id)
    drain(cx)
    return training


def run_of(cx: Context, training: Training) -> str:
    id: str = training_row(cx, training.id)["provider_id"]
    return id


def watch(
    cx: Context, provider: ScriptedProvider, training: Training, **shown: Any
) -> dict[str, Any]:
    provider.tell(run_of(cx, training), **shown)
    turn(cx, "watch_trainings")
    return training_row(cx, training.id)


def test_step_loss_and_log_tail_are_kept_while_it_trains(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    """R-112, R-117."""
    logs = "\n".join(["Using EMA", *(BAR.format(step=n) for n in range(209, 211))])
    found = watch(cx, provider, training, status=RemoteStatus.PROCESSING, logs=logs)
    assert (found["step"], found["steps"], found["loss"]) == (211, 500, 0.25)
    assert found["log_tail"].endswith("loss: 2.5e-01]")
    assert found["state"] == "training"


def test_every_step_is_kept_with_its_loss(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    """R-117: one point a step, not a thinned curve."""
    logs = "\n".join(BAR.format(step=n) for n in range(700))
    watch(cx, provider, training, status=RemoteStatus.PROCESSING, logs=logs)
    with cx.db.transaction() as tx:
        course = trainings.course(tx, training.id)
    assert course is not None
    assert [p.step for p in course.points] == list(range(1, 701))
    assert course.points[-1].rate == 1.39


def test_a_loss_that_stays_no_number_cancels_and_says_since_which_step(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    """It is money: what follows is paid for nothing."""
    zero = BAR.replace("2.5e-01", "0.0e+00")
    lines = [BAR.format(step=0), BAR.format(step=1)]
    for step in range(2, 12):
        lines += ["loss is nan", zero.format(step=step)]
    logs = "\n".join(lines)
    found = watch(cx, provider, training, status=RemoteStatus.PROCESSING, logs=logs)
    assert found["cancel_requested_at"] is not None
    turn(cx, "cancel_training")
    assert provider.canceled == [run_of(cx, training)]
    watch(cx, provider, training, logs=logs)
    drain(cx)
    assert len(provider.canceled) == 1, "asked once"
    found = watch(cx, provider, training, status=RemoteStatus.CANCELED)
    assert found["state"] == "canceled"
    assert "no number (NaN) in 10 of the last 20 steps, up to step 12 of 500" in found["error"]
    assert "the first was step 3" in found["error"]


def test_one_loss_that_is_no_number_is_a_mark_and_the_run_goes_on(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    """The trainer puts zero in its place: a run that recovers is not thrown away."""
    logs = "\n".join([BAR.format(step=0), BAR.format(step=1), "loss is nan", BAR.format(step=2)])
    found = watch(cx, provider, training, status=RemoteStatus.PROCESSING, logs=logs)
    assert found["cancel_requested_at"] is None
    with cx.db.transaction() as tx:
        course = trainings.course(tx, training.id)
    assert course is not None
    assert course.nan_steps == (3,)


def test_a_low_loss_is_left_alone(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    """R-118 is folklore (C1): "stop below 0.2" would stop good runs, or none."""
    logs = "\n".join(BAR.format(step=n).replace("2.5e-01", "1.0e-03") for n in range(300))
    found = watch(cx, provider, training, status=RemoteStatus.PROCESSING, logs=logs)
    assert (found["loss"], found["cancel_requested_at"], found["state"]) == (
        0.001,
        None,
        "training",
    )


def test_a_log_that_is_left_out_later_forgets_nothing(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    watch(cx, provider, training, status=RemoteStatus.PROCESSING, logs=BAR.format(step=210))
    found = watch(cx, provider, training, status=RemoteStatus.PROCESSING, logs=None)
    assert found["step"] == 211


def test_success_moves_on_to_fetching_the_weights_and_the_watch_ends(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    output = {"version": f"emulated/x:{'b' * 64}", "weights": "https://replicate.delivery/x.tar"}
    found = watch(
        cx,
        provider,
        training,
        status=RemoteStatus.SUCCEEDED,
        output=output,
        predict_seconds=1000.0,
    )
    assert found["state"] == "storing", "not succeeded before the weights are ours (I5)"
    assert found["cost_micro_usd"] == 1_525_000
    assert row(cx, "SELECT state FROM jobs WHERE kind = 'fetch_weights'")["state"] == "ready"
    assert row(cx, "SELECT state FROM jobs WHERE kind = 'watch_trainings'")["state"] == "done"


@pytest.mark.parametrize("output", [None, {}, {"version": None, "weights": None}, [], "x"])
def test_success_without_an_output_is_a_failure_that_says_so(
    cx: Context, provider: ScriptedProvider, training: Training, output: Any
) -> None:
    found = watch(cx, provider, training, status=RemoteStatus.SUCCEEDED, output=output)
    assert found["state"] == "failed"
    assert "no output to fetch" in found["error"]


def test_a_failure_keeps_the_providers_reason(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    found = watch(
        cx,
        provider,
        training,
        status=RemoteStatus.FAILED,
        error="input_images must be a zip file",
    )
    assert (found["state"], found["error"]) == ("failed", "input_images must be a zip file")


def test_aborted_is_an_ending_too(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    found = watch(cx, provider, training, status=RemoteStatus.ABORTED)
    assert (found["state"], found["error"]) == ("canceled", "aborted at the provider")


def test_a_404_soon_after_acceptance_is_waited_out_and_after_half_an_hour_is_an_ending(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    """replicate-python #352."""
    del provider.runs[run_of(cx, training)]
    turn(cx, "watch_trainings")
    assert training_row(cx, training.id)["state"] == "training"
    with cx.db.transaction() as tx:
        tx.run("UPDATE trainings SET accepted_at = now() - interval '31 min'")
    turn(cx, "watch_trainings")
    found = training_row(cx, training.id)
    assert found["state"] == "failed"
    assert "knows it no more" in found["error"]


def test_a_status_that_goes_backwards_changes_nothing(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    watch(cx, provider, training, status=RemoteStatus.FAILED, error="boom")
    provider.tell(run_of(cx, training), status=RemoteStatus.PROCESSING)
    turn(cx, "watch_trainings")
    assert training_row(cx, training.id)["state"] == "failed"


def test_throttled_reads_wait_as_long_as_they_are_told(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    provider.read_fault = Retryable("throttled", after=90)
    turn(cx, "watch_trainings")
    job = row(
        cx,
        "SELECT state, error, attempts, extract(epoch FROM due_at - now())::float8 AS due_in "
        "FROM jobs WHERE kind = 'watch_trainings'",
    )
    assert (job["state"], job["error"], job["attempts"]) == ("ready", "throttled", 0)
    assert job["due_in"] == pytest.approx(90, abs=5)


def test_an_acceptance_leaves_an_open_watch_alone(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    """With thousands in flight something is accepted every second, and a turn costs a hundred calls."""
    turn(cx, "watch_trainings")
    before = row(cx, WATCH_JOB)
    with cx.db.transaction() as tx:
        paid.watch(tx, Kind.WATCH_TRAININGS, "test")
    assert row(cx, WATCH_JOB) == before
    with cx.db.transaction() as tx:
        tx.run("UPDATE jobs SET due_at = now(), turn = 'epoch' WHERE kind = 'watch_trainings'")
        [job] = jobs.claim(tx, Queue.POLL, "w")
        paid.watch(tx, Kind.WATCH_TRAININGS, "test")
        assert tx.row("SELECT rerun FROM jobs WHERE id = %(id)s", {"id": job.id}) == {
            "rerun": False
        }


def test_what_is_accepted_while_the_last_of_all_ends_is_watched(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    """The watch that leaves it alone would have ended with what it knew of."""
    accepted = provider.add({})

    def get(id: str) -> Any:
        if id != accepted.id:
            with cx.db.transaction() as tx:
                tx.run(CLONE, {"id": training.id, "number": 2, "provider_id": accepted.id})
                paid.watch(tx, Kind.WATCH_TRAININGS, "test")
        return provider.runs[id]

    provider.get_training = get  # type: ignore[method-assign]
    found = watch(cx, provider, training, status=RemoteStatus.FAILED, error="boom")
    assert found["state"] == "failed"
    assert row(cx, WATCH_JOB)["state"] == "ready"


def test_a_watch_that_stands_parked_goes_on_when_something_is_accepted(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    with cx.db.transaction() as tx:
        tx.run(
            "UPDATE jobs SET state = 'parked', error = 'x', attempts = 9 WHERE kind = 'watch_trainings'"
        )
        paid.watch(tx, Kind.WATCH_TRAININGS, "test")
    job = row(cx, WATCH_JOB)
    assert (job["state"], job["attempts"]) == ("ready", 0)
    assert history(cx, job["id"])[-1] == "ready"


def test_a_refused_token_does_not_park_the_watch(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    provider.read_fault = TokenRefused(hint="Check REPLICATE_API_TOKEN.")
    turn(cx, "watch_trainings")
    job = row(cx, WATCH_JOB)
    assert (job["state"], job["attempts"]) == ("ready", 0)
    assert "REPLICATE_API_TOKEN" in job["error"]


def test_a_run_that_stays_unreadable_stands_parked_by_itself_and_the_watch_goes_on(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    provider.read_fault = ProviderRefused("The provider refused it (403): odd")
    turn(cx, "watch_trainings")
    assert row(cx, "SELECT count(*) AS n FROM jobs WHERE kind = 'look_at_training'")["n"] == 0
    with cx.db.transaction() as tx:
        tx.run("UPDATE trainings SET accepted_at = now() - interval '31 min', watched_at = NULL")
    turn(cx, "watch_trainings")
    turn(cx, "look_at_training")
    look = row(cx, "SELECT * FROM jobs WHERE kind = 'look_at_training'")
    assert (look["state"], look["target_id"]) == ("parked", training.id)
    assert "odd" in look["error"]
    provider.read_fault = None
    found = watch(cx, provider, training, status=RemoteStatus.FAILED, error="boom")
    assert found["state"] == "failed"


def test_many_in_flight_are_watched_by_pages_of_a_hundred(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    """A list call covers a hundred; a get covers one."""
    with cx.db.transaction() as tx:
        for number in range(250):
            run = provider.add({})
            tx.run(CLONE, {"id": training.id, "number": number + 2, "provider_id": run.id})
    provider.calls.clear()
    turn(cx, "watch_trainings")
    assert [call for call in provider.calls if call.startswith("list")] == [
        "list None",
        "list 100",
        "list 200",
    ]
    assert len([call for call in provider.calls if call.startswith("get")]) == 0
    seen = row(cx, "SELECT count(*) AS n FROM trainings WHERE watched_at IS NOT NULL")
    assert seen["n"] == 251


# What Postgres will not keep of one run: the client takes it out where it reads, and should it come this
# far all the same, it is that run's own matter.

NUL = "autocaption: \x00\x00 binary"
HALF = "half a pair \ud83d"


def beside(cx: Context, provider: ScriptedProvider, training: Training, count: int) -> list[str]:
    """The ids of more runs in flight."""
    ids = []
    with cx.db.transaction() as tx:
        for number in range(count):
            run = provider.add({})
            tx.run(CLONE, {"id": training.id, "number": number + 2, "provider_id": run.id})
            ids.append(run.id)
    return ids


@pytest.mark.parametrize("text", [NUL, HALF])
@pytest.mark.parametrize("others", [2, 20], ids=["got singly", "in a list"])
def test_a_text_that_cannot_be_kept_holds_up_no_other_run_and_no_state_of_its_own(
    cx: Context, provider: ScriptedProvider, training: Training, text: str, others: int
) -> None:
    ids = beside(cx, provider, training, others)
    for id in ids:
        provider.tell(id, status=RemoteStatus.FAILED, error="boom")
    ours = run_of(cx, training)
    provider.tell(ours, status=RemoteStatus.PROCESSING, logs=text, version=text)
    turn(cx, "watch_trainings")
    ended = row(cx, "SELECT count(*) AS n FROM trainings WHERE state = 'failed' AND error = 'boom'")
    assert ended["n"] == others
    found = training_row(cx, training.id)
    assert found["provider_status"] == "processing"
    output = {"version": f"emulated/x:{'b' * 64}", "weights": "https://replicate.delivery/x.tar"}
    found = watch(
        cx,
        provider,
        training,
        status=RemoteStatus.SUCCEEDED,
        output={**output, "more": text},
        error=text,
    )
    assert (found["state"], found["output"]) == ("storing", output)
    assert row(cx, WATCH_JOB)["state"] == "done"


def test_the_run_shows_that_its_log_could_not_be_kept(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    found = watch(cx, provider, training, status=RemoteStatus.PROCESSING, logs=NUL)
    assert found["log_tail"] == "What was written here cannot be kept; our log says why."
    found = watch(cx, provider, training, logs="Using EMA")
    assert found["log_tail"] == "Using EMA", "it is looked at again"


def test_a_run_of_which_nothing_can_be_written_is_named_and_in_time_stands_parked_by_itself(
    cx: Context, provider: ScriptedProvider, training: Training
) -> None:
    beside(cx, provider, training, 2)
    with cx.db.transaction() as tx:
        tx.run("UPDATE trainings SET accepted_at = now() - interval '31 min'")
    provider.tell(run_of(cx, training), predict_seconds=float(2**80), logs=NUL)
    turn(cx, "watch_trainings")
    job = row(cx, WATCH_JOB)
    assert job["state"] == "ready"
    assert "1 cannot be read" in job["reason"]
    assert "cannot be written" in job["error"]
    seen = row(cx, "SELECT count(*) AS n FROM trainings WHERE watched_at IS NOT NULL")
    assert seen["n"] == 2
    turn(cx, "look_at_training")
    look = row(cx, "SELECT * FROM jobs WHERE kind = 'look_at_training'")
    assert (look["state"], look["target_id"]) == ("parked", training.id)


WATCH_JOB = "SELECT * FROM jobs WHERE kind = 'watch_trainings'"

CLONE = """
WITH subject AS (
    INSERT INTO subjects (id, owner_id, name, kind, trigger_word)
    SELECT gen_random_uuid(), owner_id, 'clone ' || %(number)s, 'character', 'trigger' || %(number)s
    FROM trainings WHERE id = %(id)s RETURNING id
)
INSERT INTO trainings (id, owner_id, subject_id, number, state, profile, dataset_id, trainer, sent,
                       intent_id, intent_at, provider_id, accepted_at)
SELECT gen_random_uuid(), owner_id, subject.id, 1, 'training', profile, dataset_id, trainer, sent,
       gen_random_uuid(), now(), %(provider_id)s, now()
FROM trainings, subject WHERE trainings.id = %(id)s
"""
