"""The rows around the `poll` stage: what the provider shows goes into Postgres, and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from safelight.db import generations, jobs, trainings
from safelight.db.transaction import Row, Tx
from safelight.domain.money import micro_usd
from safelight.domain.nouns import Job
from safelight.domain.outcome import Done, Outcome, Wait
from safelight.domain.provider import RemoteRun, RemoteStatus
from safelight.domain.queues import Kind
from safelight.domain.states import GenerationState, TrainingState
from safelight.domain.trainlog import Course, parse_log
from safelight.flow import paid
from safelight.flow.context import Context
from safelight.flow.perform import Work
from safelight.stages import poll
from safelight.stages.tools import Pulse

LOG_TAIL_CHARS = 4_000
VANISHED = "The provider knows it no more (404, long after it was accepted)."


@dataclass(frozen=True, slots=True)
class _Watch:
    in_flight: tuple[poll.InFlight, ...]
    rows: dict[Any, Row]


def _order(rows: list[Row]) -> _Watch | Outcome:
    if not rows:
        return Done("nothing is in flight")
    return _Watch(
        tuple(poll.InFlight(r["id"], r["provider_id"], r["age_seconds"]) for r in rows),
        {r["id"]: r for r in rows},
    )


def _again(watch: _Watch, watched: poll.Watched, ended: int, seconds: float) -> Outcome:
    left = len(watch.in_flight) - ended
    said = f"{len(watched.seen)} of {len(watch.in_flight)} seen, {ended} ended"
    if watched.problem is not None:
        pause = max(seconds, watched.problem.after or 0.0)
        return Wait(pause, reason=said, error=watched.problem.message)
    return Wait(seconds, reason=said) if left else Done(said)


# Trainings.


def _begin_trainings(tx: Tx, _job: Job, _cx: Context) -> _Watch | Outcome:
    return _order(trainings.in_flight(tx))


def _do_trainings(watch: _Watch, cx: Context, pulse: Pulse) -> poll.Watched:
    provider = cx.tools.provider
    return poll.watch(
        watch.in_flight,
        provider.get_training,
        provider.list_trainings,
        pulse,
        vanished_seconds=cx.settings.vanished_seconds,
    )


def _settle_trainings(
    tx: Tx, _job: Job, watch: _Watch, watched: poll.Watched, cx: Context
) -> Outcome:
    shown = [(watch.rows[s.id], s.run) for s in watched.seen]
    courses = {row["id"]: parse_log(run.logs) for row, run in shown if run and run.logs}
    trainings.observe(
        tx, [_training_shown(row, run, courses.get(row["id"])) for row, run in shown if run]
    )
    for id, course in courses.items():
        _stop_if_nan(tx, id, course, cx)
    ended = sum(_end_training(tx, row, run, cx) for row, run in shown)
    return _again(watch, watched, ended, cx.settings.watch_seconds)


def _training_shown(row: Row, run: RemoteRun, course: Course | None) -> dict[str, Any]:
    began = course is not None and course.step > 0
    return {
        "id": row["id"],
        "status": str(run.status),
        "version": run.version,
        "step": course.step if course and began else None,
        "steps": course.steps if course else None,
        "loss": course.loss if course else None,
        "course": course.to_dict() if course and (began or course.nan) else None,
        "images": course.images if course else None,
        "log_tail": run.logs[-LOG_TAIL_CHARS:] if run.logs else None,
        "predict_seconds": run.predict_seconds,
        "cost_micro_usd": micro_usd(run.predict_seconds),
        "output": run.output if isinstance(run.output, dict) else None,
    }


def _stop_if_nan(tx: Tx, id: Any, course: Course, cx: Context) -> None:
    """Every second after a loss that is no number is paid for nothing: cancelled at once.

    Nothing else in a loss is acted on (C1).
    """
    if not course.nan:
        return
    step = course.nan_steps[0]
    stopped = trainings.stop_at_provider(
        tx, id, f"The loss of step {step} of {course.steps or '?'} is no number (NaN)."
    )
    if stopped is not None:
        paid.follow(tx, stopped, Kind.CANCEL_TRAINING, cx.worker)


def _end_training(tx: Tx, row: Row, run: RemoteRun | None, cx: Context) -> bool:
    """Follow the provider to the run's end; False: it goes on."""
    if run is not None and not run.status.ended:
        return False
    state, error = _ending(run, _has_weights)
    if state is RemoteStatus.CANCELED and row["cancel_reason"]:
        error = f"{row['cancel_reason']} It was cancelled, since what follows would be paid for nothing."
    after = {
        RemoteStatus.SUCCEEDED: TrainingState.STORING,
        RemoteStatus.CANCELED: TrainingState.CANCELED,
    }.get(state, TrainingState.FAILED)
    moved = trainings.may(
        tx,
        row["id"],
        [TrainingState.TRAINING],
        after,
        actor=cx.worker,
        error=error,
        detail={"provider": run.status if run else None},
    )
    if moved and after is TrainingState.STORING:
        _fetch(tx, Kind.FETCH_WEIGHTS, row, cx)
    return True


def _has_weights(output: Any) -> bool:
    return (
        isinstance(output, dict)
        and isinstance(output.get("weights"), str)
        and isinstance(output.get("version"), str)
    )


def _ending(run: RemoteRun | None, usable: Any) -> tuple[RemoteStatus, str | None]:
    """How a run ended, and why where it did not succeed."""
    if run is None:
        return RemoteStatus.FAILED, VANISHED
    if run.status is RemoteStatus.SUCCEEDED and not usable(run.output):
        return RemoteStatus.FAILED, f"It succeeded and has no output to fetch: {run.output!r}."
    if run.status is RemoteStatus.SUCCEEDED:
        return run.status, None
    if run.status in (RemoteStatus.CANCELED, RemoteStatus.ABORTED):
        return RemoteStatus.CANCELED, f"{run.status} at the provider"
    return RemoteStatus.FAILED, run.error or "The provider says failed, and not why."


def _fetch(tx: Tx, kind: Kind, row: Row, cx: Context) -> None:
    jobs.add(
        tx,
        kind,
        actor=cx.worker,
        target_id=row["id"],
        owner_id=row["owner_id"],
        subject_id=row["subject_id"],
        unique_key=f"{kind}:{row['id']}",
    )


TRAININGS = Work(_begin_trainings, _do_trainings, _settle_trainings)


# Generations.


def _begin_generations(tx: Tx, _job: Job, _cx: Context) -> _Watch | Outcome:
    return _order(generations.in_flight(tx))


def _do_generations(watch: _Watch, cx: Context, pulse: Pulse) -> poll.Watched:
    provider = cx.tools.provider
    return poll.watch(
        watch.in_flight,
        provider.get_prediction,
        provider.list_predictions,
        pulse,
        vanished_seconds=cx.settings.vanished_seconds,
    )


def _settle_generations(
    tx: Tx, _job: Job, watch: _Watch, watched: poll.Watched, cx: Context
) -> Outcome:
    shown = [(watch.rows[s.id], s.run) for s in watched.seen]
    generations.observe(tx, [_generation_shown(row, run) for row, run in shown if run])
    ended = sum(_end_generation(tx, row, run, cx) for row, run in shown)
    # Images take seconds: they are looked for more often than trainings.
    return _again(watch, watched, ended, min(2.0, cx.settings.watch_seconds))


def _generation_shown(row: Row, run: RemoteRun) -> dict[str, Any]:
    return {
        "id": row["id"],
        "status": str(run.status),
        "output": _urls(run.output) or None,
        "predict_seconds": run.predict_seconds,
        "cost_micro_usd": micro_usd(run.predict_seconds),
    }


def _urls(output: Any) -> list[str]:
    """A prediction's output is a list of URLs; one URL alone counts as a list of one."""
    if isinstance(output, str):
        return [output]
    if isinstance(output, list):
        return [url for url in output if isinstance(url, str)]
    return []


def _end_generation(tx: Tx, row: Row, run: RemoteRun | None, cx: Context) -> bool:
    if run is not None and not run.status.ended:
        return False
    state, error = _ending(run, _urls)
    after = {
        RemoteStatus.SUCCEEDED: GenerationState.STORING,
        RemoteStatus.CANCELED: GenerationState.CANCELED,
    }.get(state, GenerationState.FAILED)
    moved = generations.may(
        tx, row["id"], [GenerationState.DRAWING], after, actor=cx.worker, error=error
    )
    if moved and after is GenerationState.STORING:
        _fetch(tx, Kind.FETCH_IMAGES, row, cx)
    return True


GENERATIONS = Work(_begin_generations, _do_generations, _settle_generations)
