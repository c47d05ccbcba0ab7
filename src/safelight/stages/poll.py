"""The `poll` queue: everything in flight is watched in batches, within the provider's rate limit."""

from __future__ import annotations

import random
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


@dataclass(frozen=True, slots=True)
class InFlight:
    """A run the provider has accepted and, as far as we know, not ended."""

    id: UUID
    provider_id: str
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What the provider shows of a run; `run` None: it knows it no more."""

    id: UUID
    run: RemoteRun | None


@dataclass(frozen=True, slots=True)
class Watched:
    """One turn of the watch; `problem`: why it broke off, if it did."""

    seen: tuple[Seen, ...]
    problem: Retryable | None = None


def watch(
    in_flight: Sequence[InFlight],
    get: Callable[[str], RemoteRun],
    pages: Callable[[str | None], RunPage],
    pulse: Pulse,
    *,
    vanished_seconds: float,
) -> Watched:
    """Look at all of *in_flight*: singly where they are few, else by pages of a hundred.

    A passing fault ends the turn; what was seen until then counts.
    """
    seen: dict[UUID, Seen] = {}
    try:
        if len(in_flight) > FEW:
            _look_through_pages(in_flight, pages, pulse, seen)
        for one in _to_get(in_flight, seen):
            pulse.check()
            _get_one(one, get, seen, vanished_seconds)
    except Retryable as problem:
        return Watched(tuple(seen.values()), problem)
    return Watched(tuple(seen.values()))


def _look_through_pages(
    in_flight: Sequence[InFlight],
    pages: Callable[[str | None], RunPage],
    pulse: Pulse,
    seen: dict[UUID, Seen],
) -> None:
    wanted = {one.provider_id: one for one in in_flight}
    cursor: str | None = None
    # As many pages as all of them would fill, and one: past that, single gets are cheaper.
    for _ in range(len(in_flight) // 100 + 2):
        page = pages(cursor)
        for run in page.runs:
            if one := wanted.pop(run.id, None):
                seen[one.id] = Seen(one.id, run)
        cursor = page.next
        if not wanted or cursor is None:
            return
        pulse.check()


def _to_get(in_flight: Sequence[InFlight], seen: dict[UUID, Seen]) -> list[InFlight]:
    """Those no page showed, and some of those that run, for their logs."""
    missing = [one for one in in_flight if one.id not in seen]
    running = [
        one
        for one in in_flight
        if (shown := seen.get(one.id)) and shown.run and _wants_log(shown.run)
    ]
    return missing + random.sample(running, min(LOGS_A_TURN, len(running)))


def _wants_log(run: RemoteRun) -> bool:
    return run.logs is None and run.status is RemoteStatus.PROCESSING


def _get_one(
    one: InFlight,
    get: Callable[[str], RemoteRun],
    seen: dict[UUID, Seen],
    vanished_seconds: float,
) -> None:
    try:
        seen[one.id] = Seen(one.id, get(one.provider_id))
    except NotFound:
        if one.age_seconds > vanished_seconds:
            seen[one.id] = Seen(one.id, None)
