"""The `poll` queue: everything in flight is watched in batches, within the provider's rate limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from safelight.domain.errors import NotFound, Retryable
from safelight.domain.provider import RemoteRun, RemoteStatus, RunPage
from safelight.stages.tools import Pulse

FEW = 8
"""Up to so many in flight are asked for one by one: a get shows the log, a list does not."""
LOGS_A_TURN = 8
"""Of many in flight, so many a turn are asked for singly, for their logs."""
LIST_CALLS_A_MINUTE = 200
"""What watching may cost of the 3,000 requests a minute that all pollers share (replicate.md 1)."""
SLOWEST = 6.0
"""Few that are far from their end are looked at this many times less often than usual."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """A run the provider has accepted and, as far as we know, not ended.

    `log_age`: seconds since its log was read, greater for those that somebody looks at now.
    `left`: seconds it is expected to go on, where that is known.
    """

    id: UUID
    provider_id: str
    age_seconds: float
    log_age: float = 0.0
    left: float | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the provider shows of a run; `run` None: it knows it no more."""

    id: UUID
    run: RemoteRun | None


Write = Callable[[Sequence[Seen]], None]
"""Puts what was seen on record; called between two requests."""


def watch(
    in_flight: Sequence[InFlight],
    get: Callable[[str], RemoteRun],
    pages: Callable[[str | None], RunPage],
    pulse: Pulse,
    write: Write,
    *,
    vanished_seconds: float,
) -> Retryable | None:
    """Look at all of *in_flight*: singly where they are few, else by pages of a hundred.

    What a page shows is written before the next is asked for, so that an end is not held up by ten
    thousand others. A passing fault ends the turn and is returned; what was seen until then counts.
    """
    shown: dict[UUID, RemoteRun] = {}
    try:
        if len(in_flight) > FEW:
            _look_through_pages(in_flight, pages, pulse, shown, write)
        for one in _to_get(in_flight, shown):
            pulse.check()
            if seen := _get_one(one, get, vanished_seconds):
                write([seen])
    except Retryable as problem:
        return problem
    return None


def pause(in_flight: Sequence[InFlight], usual: float) -> float:
    """Seconds until the next look: as many as its list calls cost; less often where the few there are
    are far from their end, and soon where one is near it."""
    cost = -(-len(in_flight) // 100) * 60.0 / LIST_CALLS_A_MINUTE
    ends = [one.left for one in in_flight if one.left is not None]
    if len(in_flight) > FEW or len(ends) < len(in_flight) or not ends:
        return max(usual, cost)
    return min(SLOWEST * usual, max(usual / 2, min(ends) / 4))


def _look_through_pages(
    in_flight: Sequence[InFlight],
    pages: Callable[[str | None], RunPage],
    pulse: Pulse,
    shown: dict[UUID, RemoteRun],
    write: Write,
) -> None:
    wanted = {one.provider_id: one for one in in_flight}
    cursor: str | None = None
    # As many pages as all of them would fill, and one: past that, single gets are cheaper.
    for _ in range(len(in_flight) // 100 + 2):
        page = pages(cursor)
        found = [(one, run) for run in page.runs if (one := wanted.pop(run.id, None))]
        shown |= {one.id: run for one, run in found}
        write([Seen(one.id, run) for one, run in found])
        cursor = page.next
        if not wanted or cursor is None:
            return
        pulse.check()


def _to_get(in_flight: Sequence[InFlight], shown: dict[UUID, RemoteRun]) -> list[InFlight]:
    """Those no page showed, and of those that run some, for their logs."""
    missing = [one for one in in_flight if one.id not in shown]
    running = [one for one in in_flight if one.id in shown and _wants_log(shown[one.id])]
    return missing + sorted(running, key=lambda one: -one.log_age)[:LOGS_A_TURN]


def _wants_log(run: RemoteRun) -> bool:
    return run.logs is None and run.status is RemoteStatus.PROCESSING


def _get_one(
    one: InFlight, get: Callable[[str], RemoteRun], vanished_seconds: float
) -> Seen | None:
    try:
        return Seen(one.id, get(one.provider_id))
    except NotFound:
        return Seen(one.id, None) if one.age_seconds > vanished_seconds else None
