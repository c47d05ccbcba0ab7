"""The rows around the walks that compare the store and the provider with what we know.

A walk's place is a row and moves on with each turn, in the transaction that writes what the turn
found: killed at any point, it goes on where it stood.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from safelight.db import walks
from safelight.db.transaction import Tx
from safelight.domain.errors import Unreadable
from safelight.domain.nouns import Job
from safelight.domain.outcome import Done, Outcome, Wait
from safelight.domain.walk import KnownKey, Stretch, Walk
from safelight.flow.context import Context
from safelight.flow.perform import Work
from safelight.flow.retention import policy_of
from safelight.stages import walks as stage
from safelight.stages.tools import Pulse

LOOKS = 20
"""Versions one turn asks the provider for by name."""
MOST_PAGES = 10_000
"""A million versions of one model, or trainings of one account: a list that goes on past them leads back."""
OVERLAP = timedelta(days=2)
"""How far behind the last walk's beginning the trainings are listed again."""
NONE = UUID(int=0)


def _said(walk: Walk) -> str:
    return f"{walk.seen:,} seen, {walk.unknown} unknown, {walk.missing} missing"


def _goes_on(walk: Walk, cx: Context) -> Outcome:
    if walk.finished_at is None:
        return Wait(policy_of(cx.settings).pace.pause, reason=f"on its way: {_said(walk)}")
    return Done(_said(walk))


# The store.


@dataclass(frozen=True, slots=True)
class _Stretch:
    walk_id: UUID
    after: str
    known: list[KnownKey]
    limit: int


def _begin_store(tx: Tx, _job: Job, cx: Context) -> _Stretch:
    walk_id, cursor = walks.start(tx, "store")
    after = cursor or ""
    limit = min(policy_of(cx.settings).pace.rows, stage.PAGE)
    # Rows first, then the store: what is stored in between is young, and no orphan yet.
    return _Stretch(walk_id, after, walks.known_keys(tx, after, limit), limit)


def _do_store(order: _Stretch, cx: Context, pulse: Pulse) -> Stretch:
    unseen = policy_of(cx.settings).unseen
    return stage.stretch(order.after, order.known, order.limit, unseen, cx.tools.store, pulse)


def _settle_store(tx: Tx, _job: Job, order: _Stretch, found: Stretch, cx: Context) -> Outcome:
    unknown = walks.report_unknown(tx, order.walk_id, found.unknown)
    missing = walks.report_missing(tx, order.walk_id, found.missing)
    walks.forget_found(tx, order.walk_id, order.after, found.upto)
    walk = walks.advance(
        tx,
        order.walk_id,
        found.upto,
        seen=found.seen,
        bytes=found.bytes,
        unknown=unknown,
        missing=missing,
    )
    return _goes_on(walk, cx)


STORE = Work(_begin_store, _do_store, _settle_store)


# The provider: the versions of each model we know, then the account's trainings, then each version
# that may still draw.


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk stands, and what its next turn is given."""

    walk_id: UUID
    part: str
    after: str
    page: str | None
    pages: int = 0
    """How many pages of this list came before."""
    since: datetime | None = None
    versions: tuple[tuple[UUID, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    listed: dict[str, str]
    lost: list[UUID]
    cursor: str | None
    seen: int


def _cursor(part: str, after: str, page: str | None = None, pages: int = 0) -> str:
    return json.dumps([part, after, page, pages])


def _begin_provider(tx: Tx, _job: Job, _cx: Context) -> _Place:
    walk_id, cursor = walks.start(tx, "provider")
    part, after, page, *came = json.loads(cursor) if cursor else ("models", "", None)
    pages = came[0] if page and came else 0
    if part == "models" and page is None:
        model = walks.next_model(tx, after)
        part, after = ("trainings", "") if model is None else (part, model)
    if part == "trainings":
        since = walks.walked_since(tx, "provider")
        return _Place(walk_id, part, after, page, pages, since=since and since - OVERLAP)
    if part == "drawing":
        todo = tuple(walks.next_drawing(tx, UUID(after), LOOKS))
        return _Place(walk_id, part, after, page, versions=todo)
    return _Place(walk_id, part, after, page, pages)


def _do_provider(place: _Place, cx: Context, pulse: Pulse) -> _Seen:
    pulse.check()
    provider = cx.tools.provider
    if place.part == "drawing":
        gone = stage.lost(place.versions, provider, pulse)
        more = len(place.versions) == LOOKS
        cursor = _cursor("drawing", str(place.versions[-1][0])) if more else None
        return _Seen({}, gone, cursor, len(place.versions))
    if place.pages > MOST_PAGES:
        raise Unreadable(f"The provider's list goes on past {MOST_PAGES:,} pages.")
    if place.part == "models":
        page = stage.model_page(place.after, place.page, provider)
        onwards = _cursor("models", place.after, page.next, place.pages + 1)
        return _Seen(page.versions, [], onwards, len(page.versions))
    page = stage.trainings_page(place.page, place.since, provider)
    onwards = _cursor("trainings", "", page.next, place.pages + 1)
    after = onwards if page.next else _cursor("drawing", str(NONE))
    return _Seen(page.versions, [], after, len(page.versions))


def _settle_provider(tx: Tx, _job: Job, place: _Place, found: _Seen, cx: Context) -> Outcome:
    unknown = walks.report_remote(tx, place.walk_id, found.listed) if found.listed else 0
    missing = walks.report_lost(tx, place.walk_id, found.lost)
    if found.cursor is None:
        walks.forget_remote(tx, place.walk_id)
    walk = walks.advance(
        tx, place.walk_id, found.cursor, seen=found.seen, unknown=unknown, missing=missing
    )
    return _goes_on(walk, cx)


PROVIDER = Work(_begin_provider, _do_provider, _settle_provider)
