"""JSON that somebody else wrote, read within bounds: so long, so many tables and lists, so deep.

What `json.loads` makes of a text can be fifty times its size, its NaN is no JSON, and of a key that is
there twice it takes the last without a word.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn


class NotPlain(ValueError):
    """It is no JSON, or breaks a bound; the message says which."""


def parse(text: bytes | str, *, most: int, nodes: int, unique: bool = False) -> Any:
    """The value in *text*, which has at most *most* bytes (of a str: characters) and opens at most
    *nodes* tables and lists. *unique*: a key that is there twice is an error.

    Raises:
        NotPlain: it is none of that.
    """
    if len(text) > most:
        raise NotPlain(f"it has {len(text):,} bytes, and at most {most:,} are read")
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        if (opened := text.count("{") + text.count("[")) > nodes:
            raise NotPlain(f"it opens {opened:,} tables and lists, and at most {nodes:,} are read")
        return json.loads(
            text, parse_constant=_no_number, object_pairs_hook=_once if unique else None
        )
    except NotPlain:
        raise
    except RecursionError:
        raise NotPlain("it is too deep") from None
    except ValueError as error:
        raise NotPlain(f"it is no JSON: {str(error)[:120]}") from error


def _no_number(word: str) -> NoReturn:
    raise NotPlain(f"{word} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotPlain("a name is in it twice")
    return found
