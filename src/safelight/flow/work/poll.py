"""The rows around the `poll` stage: what the provider shows goes into Postgres, and what follows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from safelight.db import generations, trainings
from safelight.db.transaction import Tx
from safelight.domain.money import micro_usd
from safelight.domain.nouns import Job
from safelight.domain.outcome import Outcome
from safelight.domain.provider import RemoteRun, RemoteStatus, RunInFlight
from safelight.domain.queues import Kind
from safelight.domain.states import GenerationState, TrainingState
from safelight.domain.trainlog import LAST_STEPS, MANY_NAN, Course, parse_log
from safelight.flow import paid
from safelight.flow.context import Context
from safelight.flow.perform import Work
from safelight.flow.work.common import target
from safelight.flow.work.watching import (
    News,
    Watch,
    again,
    ending,
    look_at_unreadable,
    order,
    settle_look,
    writer,
)
from safelight.stages import poll
from safelight.stages.tools import Pulse

LOG_TAIL_CHARS = 4_000

# Trainings.


def _begin_trainings(tx: Tx, job: Job, _cx: Context) -> Watch | Outcome:
    return order(job, trainings.in_flight(tx))


def _do_trainings(watch: Watch, cx: Context, pulse: Pulse) -> poll.Turn:
    provider = cx.tools.provider
    return poll.watch(
        watch.in_flight,
        provider.get_training,
        provider.list_trainings,
        pulse,
        writer(watch, cx, lambda tx, news: _record_trainings(tx, news, cx)),
        cx.watched[watch.job.kind],
        vanished_seconds=cx.settings.vanished_seconds,
    )


def _record_trainings(tx: Tx, news: list[News], cx: Context) -> int:
    courses = {run.id: parse_log(shows.logs) for run, shows in news if shows and shows.logs}
    trainings.observe(
        tx, [_training_shown(run.id, shows, courses.get(run.id)) for run, shows in news if shows]
    )
    for id, course in courses.items():
        _stop_if_diverged(tx, id, course, cx)
    return sum(_end_training(tx, run, shows, cx) for run, shows in news)


def _settle_trainings(tx: Tx, _job: Job, watch: Watch, turn: poll.Turn, cx: Context) -> Outcome:
    look_at_unreadable(tx, Kind.LOOK_AT_TRAINING, watch, turn, cx)
    usual = cx.settings.watch_seconds
    return again(watch, turn, usual, lambda: bool(trainings.in_flight(tx)))


def _training_shown(id: UUID, run: RemoteRun, course: Course | None) -> dict[str, Any]:
    began = course is not None and course.step > 0
    return {
        "id": id,
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


def _stop_if_diverged(tx: Tx, id: UUID, course: Course, cx: Context) -> None:
    """Every second of a run whose weights are no numbers any more is paid for nothing: cancelled at once.

    One loss that is no number is a mark in its course; the trainer passes over that step and goes on.
    Nothing else in a loss is acted on (C1).
    """
    if not course.diverged:
        return
    stopped = trainings.stop_at_provider(
        tx,
        id,
        f"The loss was no number (NaN) in {MANY_NAN} of the last {LAST_STEPS} steps, up to step "
        f"{course.step} of {course.steps or '?'}; the first was step {course.nan_steps[0]}.",
    )
    if stopped is not None:
        paid.follow(tx, stopped, Kind.CANCEL_TRAINING, cx.worker)


def _end_training(tx: Tx, run: RunInFlight, shows: RemoteRun | None, cx: Context) -> bool:
    """Follow the provider to the run's end; False: it goes on."""
    if shows is not None and not shows.status.ended:
        return False
    state, error = ending(shows, _has_weights)
    if state is RemoteStatus.CANCELED and run.cancel_reason:
        error = (
            f"{run.cancel_reason} It was cancelled, since what follows would be paid for nothing."
        )
    after = {
        RemoteStatus.SUCCEEDED: TrainingState.STORING,
        RemoteStatus.CANCELED: TrainingState.CANCELED,
    }.get(state, TrainingState.FAILED)
    moved = trainings.may(
        tx,
        run.id,
        [TrainingState.TRAINING],
        after,
        actor=cx.worker,
        error=error,
        detail={"provider": shows.status if shows else None},
    )
    if moved and after is TrainingState.STORING:
        paid.follow(tx, run, Kind.FETCH_WEIGHTS, cx.worker)
    return True


def _has_weights(output: Any) -> bool:
    return (
        isinstance(output, dict)
        and isinstance(output.get("weights"), str)
        and isinstance(output.get("version"), str)
    )


def _begin_training(tx: Tx, job: Job, _cx: Context) -> Watch | Outcome:
    return order(job, trainings.in_flight_one(tx, target(job)))


TRAININGS = Work(_begin_trainings, _do_trainings, _settle_trainings)
TRAINING = Work(_begin_training, _do_trainings, settle_look)


# Generations.


def _begin_generations(tx: Tx, job: Job, _cx: Context) -> Watch | Outcome:
    return order(job, generations.in_flight(tx))


def _do_generations(watch: Watch, cx: Context, pulse: Pulse) -> poll.Turn:
    provider = cx.tools.provider
    return poll.watch(
        watch.in_flight,
        provider.get_prediction,
        provider.list_predictions,
        pulse,
        writer(watch, cx, lambda tx, news: _record_generations(tx, news, cx)),
        cx.watched[watch.job.kind],
        vanished_seconds=cx.settings.vanished_seconds,
    )


def _record_generations(tx: Tx, news: list[News], cx: Context) -> int:
    generations.observe(tx, [_generation_shown(run.id, shows) for run, shows in news if shows])
    return sum(_end_generation(tx, run, shows, cx) for run, shows in news)


def _settle_generations(tx: Tx, _job: Job, watch: Watch, turn: poll.Turn, cx: Context) -> Outcome:
    look_at_unreadable(tx, Kind.LOOK_AT_GENERATION, watch, turn, cx)
    # Images take seconds: they are looked for more often than trainings.
    usual = min(2.0, cx.settings.watch_seconds)
    return again(watch, turn, usual, lambda: bool(generations.in_flight(tx)))


def _generation_shown(id: UUID, run: RemoteRun) -> dict[str, Any]:
    return {
        "id": id,
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


def _end_generation(tx: Tx, run: RunInFlight, shows: RemoteRun | None, cx: Context) -> bool:
    if shows is not None and not shows.status.ended:
        return False
    state, error = ending(shows, _urls)
    after = {
        RemoteStatus.SUCCEEDED: GenerationState.STORING,
        RemoteStatus.CANCELED: GenerationState.CANCELED,
    }.get(state, GenerationState.FAILED)
    moved = generations.may(
        tx, run.id, [GenerationState.DRAWING], after, actor=cx.worker, error=error
    )
    if moved and after is GenerationState.STORING:
        paid.follow(tx, run, Kind.FETCH_IMAGES, cx.worker)
    return True


def _begin_generation(tx: Tx, job: Job, _cx: Context) -> Watch | Outcome:
    return order(job, generations.in_flight_one(tx, target(job)))


GENERATIONS = Work(_begin_generations, _do_generations, _settle_generations)
GENERATION = Work(_begin_generation, _do_generations, settle_look)
