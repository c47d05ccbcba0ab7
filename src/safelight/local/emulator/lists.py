"""Pages of runs: newest first, a hundred at a time, by a cursor that says nothing to whoever gets it."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from safelight.local.emulator.problems import NOT_FOUND, Problem, invalid
from safelight.local.emulator.server import Emulator

PAGE = 100
_FILTERS = ("created_after", "created_before", "source")
"""Of predictions alone; trainings have none (replicate.md 2.8)."""


def page(
    emulator: Emulator, kind: str, account: str, base: str, path: str, asked: Mapping[str, str]
) -> dict[str, Any]:
    """The page that the query *asked* leads to."""
    filters = {name: asked[name] for name in _FILTERS if name in asked and kind == "prediction"}
    after = _moment(filters, "created_after", 0.0)
    before = _moment(filters, "created_before", 1e12)
    newest = time.time() - emulator.list_delay_seconds
    way, number = _from_cursor(asked.get("cursor"))
    found = emulator.state.rows(
        _OLDER if way == "n" else _NEWER,
        *(kind, account, number, newest, after, before, PAGE + 1),
    )
    if filters.get("source") == "web":  # all of ours came by the API
        found = []
    more = len(found) > PAGE
    rows = found[:PAGE] if way == "n" else list(reversed(found[:PAGE]))

    def link(to: str, number: int) -> str:
        cursor = base64.urlsafe_b64encode(f"{to}={number}".encode()).decode()
        return f"{base}{path}?{urlencode({**filters, 'cursor': cursor})}"

    older, newer = (more, number < TOP) if way == "n" else (True, more)
    return {
        "next": link("n", rows[-1]["number"]) if rows and older else None,
        "previous": link("p", rows[0]["number"]) if rows and newer else None,
        "results": [emulator.runs.shown(row, base, logs=False) for row in rows],
    }


TOP = 2**62
_SOME = (
    "SELECT * FROM runs WHERE kind = ? AND account = ? AND number {way} ? AND created <= ? "
    "AND created >= ? AND created < ? AND fate IS NOT 'vanish' ORDER BY number {order} LIMIT ?"
)
_OLDER = _SOME.format(way="<", order="DESC")
_NEWER = _SOME.format(way=">", order="ASC")


def _moment(filters: Mapping[str, str], name: str, default: float) -> float:
    if name not in filters:
        return default
    try:
        at = datetime.fromisoformat(filters[name].replace(" ", "+"))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise invalid([("format", name, "Does not match format 'date-time'")]) from None


def _from_cursor(cursor: str | None) -> tuple[str, int]:
    if not cursor:
        return "n", TOP
    try:
        way, _, number = base64.urlsafe_b64decode(cursor).decode().partition("=")
        if way not in ("n", "p") or not 0 <= int(number) <= TOP:
            raise ValueError(cursor)
        return way, int(number)
    except ValueError:
        raise Problem(404, NOT_FOUND) from None
