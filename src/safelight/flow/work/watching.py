"""What watching trainings and watching generations have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from safelight import logging
from safelight.db import jobs
from safelight.db.faults import DatabaseAway
from safelight.db.transaction import Tx
from safelight.domain.errors import LeaseLost, Retryable, SafelightError, Unreadable
from safelight.domain.nouns import Job
from safelight.domain.outcome import Done, Outcome, Park, Wait
from safelight.domain.provider import RemoteRun, RemoteStatus, RunInFlight
from safelight.domain.queues import Kind
from safelight.domain.texts import keepable_json, shown
from safelight.flow import paid
from safelight.flow.context import Context
from safelight.stages import poll

log = logging.get(__name__)

SEEN_SECONDS = 60.0
"""How often it is noted of a run without news that it was seen."""
REFUSED_SECONDS = 60.0
"""How often it is tried again where the provider refuses all of it, our token for one."""
UNKEPT = "What was written here cannot be kept; our log says why."
VANISHED = "The provider knows it no more (404, long after it was accepted)."


@dataclass(slots=True)
class Watch:
    """What is in flight, and how far this turn has come."""

    job: Job
    in_flight: tuple[poll.InFlight, ...]
    runs: dict[UUID, RunInFlight]
    seen: int = 0
    ended: int = 0
    unwritten: dict[UUID, SafelightError] = field(default_factory=dict)
    """Runs of which what was seen could not be written, and why."""

    def puzzles(self, turn: poll.Turn) -> dict[UUID, SafelightError]:
        """Runs of which nothing was learned in this turn: unreadable, or not to be written."""
        return {**turn.unreadable, **self.unwritten}


def order(job: Job, runs: list[RunInFlight]) -> Watch | Outcome:
    """What to look at, of the *runs* in flight."""
    if not runs:
        return Done("nothing is in flight")
    return Watch(
        job,
        tuple(
            poll.InFlight(run.id, run.provider_id, run.age_seconds, run.log_age, run.left)
            for run in runs
        ),
        {run.id: run for run in runs},
    )


News = tuple[RunInFlight, RemoteRun | None]
"""A run, and what the provider shows of it; None: the provider no longer knows it."""
Record = Callable[[Tx, list[News]], int]
"""Writes what was seen of some runs; how many of them have ended."""


def writer(watch: Watch, cx: Context, record: Record) -> poll.Write:
    """Writes what was seen under our fence, in a transaction of its own, where there is news.

    All of it at once; where that cannot be written, run by run, so that what is wrong with one is its
    own matter.
    """

    def write(seen: Sequence[poll.Seen]) -> None:
        news = [(watch.runs[s.id], s.run) for s in seen if is_news(watch.runs[s.id], s.run)]
        watch.seen += len(seen)
        if not news:
            return
        try:
            with cx.db.transaction() as tx:
                jobs.hold(tx, [watch.job])
                ended = record(tx, news)
        except (DatabaseAway, LeaseLost):
            raise
        except Exception as error:  # noqa: BLE001 (whatever it is, the other runs are not to blame)
            log.warning("watch.written_singly", runs=len(news), error=_told(error))
            ended = _write_singly(watch, cx, record, news)
        watch.ended += ended

    return write


def _write_singly(watch: Watch, cx: Context, record: Record, news: list[News]) -> int:
    """Write each run in a savepoint of its own: as it was shown, else with its texts left out, else not
    at all, which is noted. It is looked at again either way."""
    ended = 0
    with cx.db.transaction() as tx:
        jobs.hold(tx, [watch.job])
        for run, shows in news:
            for form in (shows, _bare(shows)):
                try:
                    with tx.savepoint():
                        ended += record(tx, [(run, form)])
                    watch.unwritten.pop(run.id, None)
                    break
                except (DatabaseAway, LeaseLost):
                    raise
                except Exception as error:  # noqa: BLE001 (as above)
                    log.error("watch.unwritten", target_id=str(run.id), error=_told(error))
                    watch.unwritten[run.id] = Unreadable(
                        f"What the provider shows of it cannot be written: {_told(error)}"
                    )
    return ended


def _bare(run: RemoteRun | None) -> RemoteRun | None:
    """The run's state and what follows from it, without what others have written into it."""
    if run is None:
        return None
    output = keepable_json(run.output)
    if isinstance(output, dict):
        output = {name: output[name] for name in ("version", "weights") if name in output}
    return RemoteRun(
        id=run.id,
        status=run.status,
        output=output,
        logs=None if run.logs is None else UNKEPT,
        error=None if run.error is None else UNKEPT,
        predict_seconds=run.predict_seconds,
    )


def _told(error: Exception) -> str:
    """An error's first line, as a log may show it."""
    text = str(error).partition("\n")[0] or "no word of it"
    return shown(f"{type(error).__name__}: {text}", most=300)


def is_news(run: RunInFlight, shows: RemoteRun | None) -> bool:
    """Whether there is anything to write of it; that it was seen is noted once a minute."""
    if shows is None or shows.logs or shows.status.ended:
        return True
    if str(shows.status) != run.provider_status or run.watched_seconds is None:
        return True
    return run.watched_seconds > SEEN_SECONDS


def again(watch: Watch, turn: poll.Turn, usual: float, others: Callable[[], bool]) -> Outcome:
    """When to look again, and what this turn came to. It never parks: all else in flight needs it.

    *others*: whether something is in flight still, for where all that this turn knew of has ended.
    """
    said = f"{watch.seen} of {len(watch.in_flight)} seen, {watch.ended} ended"
    if watch.ended >= len(watch.in_flight):
        return Wait(usual, reason=said) if others() else Done(said)
    seconds = poll.pause(watch.in_flight, usual, turn)
    puzzles = watch.puzzles(turn)
    problem = turn.problem or next(iter(puzzles.values()), None)
    if problem is None:
        return Wait(seconds, reason=said)
    if not isinstance(turn.problem, Retryable | None):
        seconds = max(seconds, REFUSED_SECONDS)
    if isinstance(problem, Retryable):
        seconds = max(seconds, problem.after or 0.0)
    if puzzles:
        said += f", {len(puzzles)} cannot be read"
    return Wait(seconds, reason=said, error=str(problem))


def look_at_unreadable(tx: Tx, look: Kind, watch: Watch, turn: poll.Turn, cx: Context) -> None:
    """A run that stays unreadable gets a job of its own, which stands parked with the reason if it
    cannot read it either; the watch goes on with all of them."""
    for id in watch.puzzles(turn):
        if watch.runs[id].unseen_seconds > cx.settings.vanished_seconds:
            paid.follow(tx, watch.runs[id], look, cx.worker)


def settle_look(_tx: Tx, _job: Job, watch: Watch, turn: poll.Turn, cx: Context) -> Outcome:
    """One run was looked at by itself; whatever that did not show, the watch will."""
    for id, problem in watch.puzzles(turn).items():
        seconds = watch.runs[id].unseen_seconds
        if seconds > cx.settings.vanished_seconds:
            return Park(
                f"Nothing could be read of it for {seconds / 60:.0f} minutes, and it may be running, and "
                f"paid. {problem} The watch goes on trying. Look at the provider, then retry or cancel.",
                reason="the provider's answer is of no use",
            )
        return Done(f"left to the watch: {problem}")
    if turn.problem is not None:
        return Done(f"left to the watch: {turn.problem}")
    return Done("it has ended" if watch.ended else "it goes on")


def ending(run: RemoteRun | None, usable: Any) -> tuple[RemoteStatus, str | None]:
    """How a run ended, and why where it did not succeed."""
    if run is None:
        return RemoteStatus.FAILED, VANISHED
    if run.status is RemoteStatus.SUCCEEDED and not usable(run.output):
        return (
            RemoteStatus.FAILED,
            f"It succeeded and has no output to fetch: {shown(repr(run.output), most=300)}.",
        )
    if run.status is RemoteStatus.SUCCEEDED:
        return run.status, None
    if run.status in (RemoteStatus.CANCELED, RemoteStatus.ABORTED):
        return RemoteStatus.CANCELED, f"{run.status} at the provider"
    return RemoteStatus.FAILED, run.error or "The provider says failed, and not why."
