"""What a text in a request may hold: anything that Postgres can keep."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AfterValidator


def storable(value: Any) -> Any:
    """*value*, if text and jsonb columns take it. ValueError: NUL, half a surrogate pair, NaN."""
    match value:
        case str():
            if "\x00" in value:
                raise ValueError("Text cannot hold the character U+0000")
            try:
                value.encode()
            except UnicodeEncodeError:
                raise ValueError("Text cannot hold half of a surrogate pair") from None
        case float():
            if not math.isfinite(value):
                raise ValueError("A number has to be finite")
        case dict():
            for key, item in value.items():
                storable(key)
                storable(item)
        case list():
            for item in value:
                storable(item)
    return value


Text = Annotated[str, AfterValidator(storable)]
Object = Annotated[dict[str, Any], AfterValidator(storable)]
