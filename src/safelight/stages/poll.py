"""The `poll` queue: everything in flight is watched in batches, within the provider's rate limit."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from safelight.domain.errors import (
    NotFound,
    ProviderRefused,
    Retryable,
    SafelightError,
    TokenRefused,
    Unavailable,
    Unreadable,
)
from safelight.domain.provider import RemoteRun, RemoteStatus, RunPage
from safelight.stages.tools import Pulse

FEW = 8
"""Up to so many in flight are asked for one by one: a get shows the log, a list does not."""
LOGS_A_TURN = 8
"""Of many in flight, so many a turn are asked for singly, for their logs; of thousands, fewer."""
LEAST_LOGS = 2
PAGES_A_LOG = 20
"""Every so many pages of a turn take the place of one log."""
SINGLES_A_TURN = 50
"""Of many in flight, so many that no page showed are asked for singly; the others in a later turn."""
LISTED_SECONDS = 90.0
"""The provider's list may be behind by about a minute: one that is younger need not be in it."""
CREATED_SECONDS = 30.0
"""A run was created before we noted that it was accepted, by so much at most."""
CALLS_A_MINUTE = 200
"""What watching may cost of the 3,000 requests a minute that all pollers share (replicate.md 1):
pages and single gets, of one kind of run."""
HALVES_FROM = 20
"""A turn over so many pages is followed by one over the older half of what is in flight alone, if that spares
a third of them: a training that has just begun hardly ever ends, and what may end is seen more often."""
FAULTS_IN_A_ROW = 3
"""So many single gets in a row that the provider fails to answer end the turn: it is not about one run."""
SLOWEST = 6.0
"""Few that are far from their end are looked at this many times less often than usual."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """A run the provider has accepted and, as far as we know, not ended.

    `log_age`: seconds since its log was read, greater for those that somebody looks at now; 0: it
    is not wanted. `left`: seconds it is expected to go on, where that is known.
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


@dataclass(slots=True)
class Turn:
    """What one look at everything cost, and what did not go well: `problem`, the last fault of all;
    `unreadable`, the runs of which the provider's answer was of no use, and why. `carried`: calls that
    this turn takes over from the one before, or, negative, leaves to the next."""

    calls: int = 0
    carried: float = 0.0
    seconds: float = 0.0
    problem: SafelightError | None = None
    unreadable: dict[UUID, SafelightError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Half:
    """The older half of what is in flight: where in the list it begins, after how many pages."""

    cursor: str
    ids: frozenset[UUID]
    after: int


@dataclass(slots=True)
class Memory:
    """What a poll process keeps from one turn to the next; without it, a turn looks at all."""

    half: Half | None = None
    cursors_last: bool = True
    """Until the provider refuses one that a turn before had from it."""


Write = Callable[[Sequence[Seen]], None]
"""Puts what was seen on record; called between two requests."""


def watch(
    in_flight: Sequence[InFlight],
    get: Callable[[str], RemoteRun],
    pages: Callable[[str | None], RunPage],
    pulse: Pulse,
    write: Write,
    memory: Memory,
    *,
    vanished_seconds: float,
) -> Turn:
    """Look at *in_flight*: singly where they are few, else by pages of a hundred; where that takes many
    pages, at all and at the older half of them in turns.

    What a page shows is written before the next is asked for, so that an end is not held up by ten
    thousand others. A fault that would meet every request ends the turn; one that is about one run
    is noted, and the others are looked at. Where the list itself cannot be had, for whatever one run has
    in it, some are got singly. What was seen until then counts.
    """
    turn, started = Turn(), time.monotonic()
    listing = _Listing(pages, pulse, write, turn)
    try:
        if len(in_flight) > FEW:
            in_flight = _listed(in_flight, listing, memory)
        failed = 0
        for one in _to_get(in_flight, listing.shown, turn.calls):
            pulse.check()
            seen, problem = _get_one(one, get, turn, vanished_seconds)
            if seen:
                write([seen])
            failed = failed + 1 if problem and not isinstance(problem, Unreadable) else 0
            if problem and failed == FAULTS_IN_A_ROW:
                raise problem
    except (Retryable, ProviderRefused, NotFound) as problem:
        turn.problem = problem
    turn.seconds = time.monotonic() - started
    return turn


def pause(in_flight: Sequence[InFlight], usual: float, turn: Turn) -> float:
    """Seconds until the next look: so that all that the last one cost stays within its share of calls;
    less often where the few there are are far from their end, and soon where one is near it."""
    cost = (turn.calls + turn.carried) * 60.0 / CALLS_A_MINUTE - turn.seconds
    ends = [one.left for one in in_flight if one.left is not None]
    if len(in_flight) > FEW or len(ends) < len(in_flight) or not ends:
        return max(usual, cost)
    return min(SLOWEST * usual, max(usual / 2, min(ends) / 4, cost))


def _listed(in_flight: Sequence[InFlight], listing: _Listing, memory: Memory) -> Sequence[InFlight]:
    """What was looked for in the list, though it may not all have been had: that is noted."""
    try:
        return _look_through_list(in_flight, listing, memory)
    except (Retryable, ProviderRefused, NotFound) as problem:
        if _meets_all(problem):
            raise
        listing.turn.problem = problem
        return in_flight


def _meets_all(problem: SafelightError) -> bool:
    """Whether every other request would meet the same."""
    if isinstance(problem, Unavailable | TokenRefused):
        return True
    return isinstance(problem, Retryable) and problem.after is not None


def _look_through_list(
    in_flight: Sequence[InFlight], listing: _Listing, memory: Memory
) -> Sequence[InFlight]:
    """Look for the older half after a turn over all that was long, else for all; those looked for."""
    turn = listing.turn
    half, memory.half = memory.half, None
    older = [one for one in in_flight if half and one.id in half.ids]
    if half and older:
        try:
            listing.look_through(older, half.cursor)
        except (ProviderRefused, NotFound) as refused:
            if turn.calls > 1 or isinstance(refused, TokenRefused):
                raise
            listing.look_through(in_flight)
            memory.cursors_last = False  # all else is answered
            return in_flight
        turn.carried = half.after / 2
        return older
    found = listing.look_through(in_flight)
    spares = found is not None and 3 * found.after >= turn.calls >= HALVES_FROM
    if found and spares and memory.cursors_last:
        # The two turns take as long as each other, so that the older half is looked at evenly.
        memory.half, turn.carried = found, -found.after / 2
    return in_flight


@dataclass(slots=True)
class _Listing:
    """The provider's list, newest first, and what it has shown in this turn."""

    pages: Callable[[str | None], RunPage]
    pulse: Pulse
    write: Write
    turn: Turn
    shown: dict[UUID, RemoteRun] = field(default_factory=dict)

    def look_through(self, in_flight: Sequence[InFlight], cursor: str | None = None) -> Half | None:
        """Page on until all are seen, or single gets are cheaper: what is left is older than the page,
        or as many pages as runs are left brought nothing. Returns the older half of them."""
        wanted = {one.provider_id: one for one in in_flight}
        newest_first = sorted(in_flight, key=lambda one: one.age_seconds)
        began = datetime.now(UTC)
        half: Half | None = None
        barren = 0
        gone_through: set[str | None] = set()
        while True:
            if cursor in gone_through:
                raise Unreadable("The provider's list leads back to a page that it showed before.")
            gone_through.add(cursor)
            self.turn.calls += 1
            page = self.pages(cursor)
            found = [(one, run) for run in page.runs if (one := wanted.pop(run.id, None))]
            self.shown |= {one.id: run for one, run in found}
            self.write([Seen(one.id, run) for one, run in found])
            cursor = page.next
            barren += not found
            while newest_first and newest_first[-1].provider_id not in wanted:
                newest_first.pop()
            if not newest_first or cursor is None or barren >= len(wanted):
                return half
            if half is None and 2 * len(wanted) <= len(in_flight):
                older = frozenset(one.id for one in wanted.values())
                half = Half(cursor, older, self.turn.calls)
            oldest = newest_first[-1].age_seconds + CREATED_SECONDS
            last = page.runs[-1].created_at if page.runs else None
            if last is not None and last < began - timedelta(seconds=oldest):
                return half
            self.pulse.check()


def _to_get(
    in_flight: Sequence[InFlight], shown: dict[UUID, RemoteRun], pages: int
) -> list[InFlight]:
    """Those no page showed, and of those that run some, for their logs."""
    if not pages:
        # By lot, so that one that ends the turn does not keep the same others from their turn.
        return random.sample(in_flight, len(in_flight))
    missing = [o for o in in_flight if o.id not in shown and o.age_seconds > LISTED_SECONDS]
    # By lot, so that no fifty of them keep the others from their turn.
    missing = random.sample(missing, min(len(missing), SINGLES_A_TURN))
    running = [one for one in in_flight if one.id in shown and _wants_log(one, shown[one.id])]
    logs = max(LEAST_LOGS, LOGS_A_TURN - pages // PAGES_A_LOG)
    return missing + sorted(running, key=lambda one: -one.log_age)[:logs]


def _wants_log(one: InFlight, run: RemoteRun) -> bool:
    return one.log_age > 0 and run.logs is None and run.status is RemoteStatus.PROCESSING


def _get_one(
    one: InFlight, get: Callable[[str], RemoteRun], turn: Turn, vanished_seconds: float
) -> tuple[Seen | None, SafelightError | None]:
    """What the provider shows of it, or what it is about it that cannot be had."""
    turn.calls += 1
    try:
        run = get(one.provider_id)
        if run.id != one.provider_id:
            raise Unreadable(f"It was asked for as {one.provider_id}, and {run.id} was answered.")
        return Seen(one.id, run), None
    except NotFound:
        return (Seen(one.id, None) if one.age_seconds > vanished_seconds else None), None
    except (Retryable, ProviderRefused) as problem:
        if _meets_all(problem):
            raise
        turn.unreadable[one.id] = problem
        return None, problem
