"""What the members of a request may be: texts that Postgres can keep, numbers and times within reason.

Every text has a length and every number a range, and OpenAPI shows them (a test walks the document): what a
caller can send has a bound before anything is done with it.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field

from safelight.domain.texts import speaks_to_terminals

MAX_DEPTH = 16
MAX_PARTS = 500
"""Members and items of a free-form object, all together."""
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_PLAIN = "^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f]*$"
"""The same for readers of the document, in the regular expressions of ECMA 262."""
_ONE_LINE = "^[^\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]*$"
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def plain(text: str) -> str:
    """*text*, if it can be kept and shown. ValueError: control characters, half a surrogate pair."""
    if found := _CONTROL.search(text):
        raise ValueError(f"Text cannot hold the control character U+{ord(found[0]):04X}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("Text cannot hold half of a surrogate pair") from None
    return text


def one_line(text: str) -> str:
    """*text*, if it can stand in a list or on a terminal as it is: one line, nothing invisible in it."""
    plain(text)
    if speaks_to_terminals(text):
        raise ValueError("A name is one line, without control or text-direction characters")
    return text


def storable(value: Any, depth: int = MAX_DEPTH) -> Any:
    """*value*, if text and jsonb columns take it and it is no larger than anybody means.

    ValueError: NUL, half a surrogate pair, NaN, nested past *depth*, more than `MAX_PARTS` parts.
    """
    left = [MAX_PARTS]
    _look_through(value, depth, left)
    return value


def _look_through(value: Any, depth: int, left: list[int]) -> None:
    left[0] -= 1
    if depth < 0 or left[0] < 0:
        raise ValueError(f"It is nested past {MAX_DEPTH} levels or has over {MAX_PARTS} parts")
    match value:
        case str():
            plain(value)
        case float():
            if not math.isfinite(value):
                raise ValueError("A number has to be finite")
        case dict():
            for key, item in value.items():
                plain(key)
                _look_through(item, depth - 1, left)
        case list():
            for item in value:
                _look_through(item, depth - 1, left)


def _in_reach(at: datetime) -> datetime:
    if not FIRST <= at <= LAST:
        raise ValueError(f"A time is between {FIRST:%Y} and {LAST:%Y}")
    return at


Text = Annotated[str, AfterValidator(plain), Field(json_schema_extra={"pattern": _PLAIN})]
"""Prose: several lines if need be. Give it a `max_length` where it is used."""
Line = Annotated[str, AfterValidator(one_line), Field(json_schema_extra={"pattern": _ONE_LINE})]
"""One line: names. Give it a `max_length` where it is used."""
Ref = Annotated[Line, Field(max_length=200)]
"""The name of a profile, a preset, a model."""
Object = Annotated[
    dict[str, Any],
    AfterValidator(storable),
    Field(max_length=50, json_schema_extra={"maxProperties": 50}),
]
Usd = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Factor = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
"""Scales and guidances; a version's own schema is narrower."""
When = Annotated[AwareDatetime, AfterValidator(_in_reach)]
