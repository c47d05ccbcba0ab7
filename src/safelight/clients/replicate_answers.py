"""The provider's JSON as our values. What is of another shape, size or kind than it should be stays out.

A run's texts are written by whoever made its photos, its captions and the model it runs, and they come
in one list with the runs of all others. So everything is bounded and cleaned here, a value at a time:
one run's text takes that text away, and no other run.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from safelight.domain.errors import Unreadable
from safelight.domain.provider import (
    MODEL,
    RUN_ID,
    VERSION_ID,
    RemoteRun,
    RemoteStatus,
    RunPage,
    VersionPage,
)
from safelight.domain.texts import keepable, keepable_json, shown, speaks_to_terminals
from safelight.domain.trainlog import both_ends

CURSOR_CHARS = 8_000
ERROR_CHARS = 8_000
NAME_CHARS = 300
OUTPUT_CHARS = 64 * 1024
"""A run's output as JSON: two links, or up to four."""
LINK_CHARS = 8_000
LINKS = 100
PAGE_ITEMS = 10_000
"""A page has a hundred; so many of one that has more are read, and the rest counts as unread."""
SECONDS = 10.0**8
"""Three years: no run takes as long."""
YEARS = range(2000, 2200)
DEEP = 100
"""So deep is read of JSON that is nested deeper than Python reads; the rest of it is read all the same."""

_LONG_NUMBER = 20
_PIECE = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]|[^"\[\]{}]++', re.DOTALL)


def parse(data: bytes) -> Any:
    """The JSON in *data*, whatever its encoding; bytes that are no text become U+FFFD.

    A number too long for any column is None; where it is nested deeper than Python reads, so is what lies
    below `DEEP`.

    Raises:
        Unreadable: it is no JSON.
    """
    try:
        text = data.decode(json.detect_encoding(data), "replace")
        try:
            return _loads(text)
        except RecursionError:
            return _loads(_shallow(text))
    except (ValueError, RecursionError) as error:
        raise Unreadable("The provider's answer cannot be read: it is no JSON.") from error


def _loads(text: str) -> Any:
    # Python refuses to read numbers of thousands of digits, and all that comes with them.
    return json.loads(text, strict=False, parse_int=_integer)


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= _LONG_NUMBER else None


def _shallow(text: str) -> str:
    """*text* with null in place of what is nested deeper than `DEEP`."""
    kept: list[str] = []
    depth = 0
    for piece in _PIECE.finditer(text):
        found = piece[0]
        if found in ("[", "{"):
            depth += 1
            if depth == DEEP:
                kept.append("null")
        if depth < DEEP:
            kept.append(found)
        if found in ("]", "}"):
            depth -= 1
    return "".join(kept)


def run_of(body: Any) -> RemoteRun:
    """A run as the API shows it. What is absent, null or of an unexpected shape stays None.

    Raises:
        Unreadable: the body is no run, its status is none we know, or its id is none.
    """
    id, said = (body.get("id"), body.get("status")) if isinstance(body, dict) else (None, None)
    if not isinstance(id, str) or not RUN_ID.fullmatch(id):
        raise Unreadable(f"The provider's answer cannot be read: {_named(id)} is no run's id.")
    if said not in tuple(RemoteStatus):
        raise Unreadable(
            f"The provider's answer cannot be read: {_named(said)} is no run's status."
        )
    return RemoteRun(
        id=id,
        status=RemoteStatus(said),
        model=_name(body.get("model")),
        version=_name(body.get("version")),
        input=_mapping(keepable_json(body.get("input"))),
        output=_output(body.get("output")),
        logs=_logs(body.get("logs")),
        error=_error(body.get("error")),
        created_at=_time(body.get("created_at")),
        started_at=_time(body.get("started_at")),
        completed_at=_time(body.get("completed_at")),
        predict_seconds=_seconds(_mapping(body.get("metrics")).get("predict_time")),
    )


def page_of(body: Any) -> RunPage:
    """A page of runs. A run that cannot be read is counted: one odd status hides no other run.

    Raises:
        Unreadable: the body is no page.
    """
    results, following = _page(body, "a list")
    runs = []
    for item in results[:PAGE_ITEMS]:
        with suppress(Unreadable):
            runs.append(run_of(item))
    return RunPage(tuple(runs), following, len(results) - len(runs))


def versions_of(body: Any) -> VersionPage:
    """A page of a model's versions.

    Raises:
        Unreadable: the body is no page, or not all of it is read: what is not seen here would be taken
            for gone.
    """
    results, following = _page(body, "versions")
    ids = [item.get("id") if isinstance(item, dict) else None for item in results[: PAGE_ITEMS + 1]]
    if len(ids) > PAGE_ITEMS or not all(
        isinstance(i, str) and VERSION_ID.fullmatch(i) for i in ids
    ):
        raise Unreadable("The provider's answer cannot be read: it is no page of versions.")
    return VersionPage(tuple(map(str, ids)), following)


def _page(body: Any, what: str) -> tuple[list[Any], str | None]:
    results = body.get("results") if isinstance(body, dict) else None
    following = body.get("next") if isinstance(body, dict) else None
    if not isinstance(results, list) or not isinstance(following, str | None):
        raise Unreadable(f"The provider's answer cannot be read: it is no page of {what}.")
    if following is not None and len(following) > CURSOR_CHARS:
        raise Unreadable(f"The link to the provider's next page has {len(following):,} characters.")
    if following is not None and speaks_to_terminals(following):
        raise Unreadable("The link to the provider's next page has control characters in it.")
    return results, following or None


def schema_of(body: Any) -> Mapping[str, Any]:
    """The `openapi_schema` of a version; empty where there is none."""
    return _mapping(keepable_json(_mapping(body).get("openapi_schema")))


def latest_of(body: Any) -> str | None:
    """The id of a model's newest version; None: it has none. Unreadable: the body is no model."""
    if not isinstance(body, dict):
        raise Unreadable("The provider's answer cannot be read: it is no model.")
    version = body.get("latest_version")
    if version is None:
        return None
    id = version.get("id") if isinstance(version, dict) else None
    if not isinstance(id, str) or not VERSION_ID.fullmatch(id):
        raise Unreadable("The provider's answer cannot be read: it names no version.")
    return id


def account_of(body: Any) -> str:
    """The account's name. Unreadable: there is none, or none that a model's name can begin with."""
    name = body.get("username") if isinstance(body, dict) else None
    if not isinstance(name, str) or not MODEL.fullmatch(f"{name}/x"):
        raise Unreadable("The provider's answer cannot be read: it names no account.")
    return name


def _named(value: Any) -> str:
    """A value that is none of ours, as an error may show it: what is no text may have no end."""
    return (
        shown(repr(value), most=100) if isinstance(value, str | int | None) else "what is no text"
    )


def _name(value: Any) -> str | None:
    """A model's or a version's name; None where it is longer than any."""
    return keepable(value) if isinstance(value, str) and len(value) <= NAME_CHARS else None


def _logs(value: Any) -> str | None:
    return keepable(both_ends(value)) if isinstance(value, str) else None


def _error(value: Any) -> str | None:
    if value is None:
        return None
    # A failing program says why in its last lines.
    said = value if isinstance(value, str) else json.dumps(keepable_json(value), ensure_ascii=False)
    return keepable(both_ends(said, ERROR_CHARS, ERROR_CHARS // 2))


def _output(value: Any) -> Any:
    """A training's two links, or a prediction's: of anything that is longer, what may be links."""
    if value is None:
        return None
    kept = keepable_json(value)
    if len(json.dumps(kept)) <= OUTPUT_CHARS:
        return kept
    if isinstance(kept, dict):
        return {name: kept[name] for name in ("version", "weights") if _is_link(kept.get(name))}
    if isinstance(kept, list):
        return [item for item in kept[:LINKS] if _is_link(item)]
    return kept if _is_link(kept) else None


def _is_link(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LINK_CHARS


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _seconds(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) and 0 <= value <= SECONDS else None


def _time(value: Any) -> datetime | None:
    """ISO 8601 with 3 to 9 digits of a second (Python keeps six); without a zone it is UTC."""
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    if at.year not in YEARS:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
