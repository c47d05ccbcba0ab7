"""Text that comes from outside: what Postgres can keep, what a terminal may show, what a line may hold.

Names, captions, logs, errors and headers are written by people and programs that we do not know. Text
that is only shown or kept is cleaned; text that a caller can send again is refused at the door
(`web/text.py`), since what was asked for is never changed without a word.
"""

from __future__ import annotations

import math
import re
from html import escape
from typing import Any

REPLACEMENT = "\ufffd"

_UNKEPT = re.compile("[\x00\ud800-\udfff]")
# What moves a cursor, starts an escape, reorders a line or hides in it: C0, DEL, C1, the bidi
# controls, the invisible format characters and the Unicode line ends. The zero width joiners stay: emoji
# and words of several scripts need them.
_SPEAKING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff9-\ufffb]"
)


def keepable(text: str) -> str:
    """*text* as Postgres can keep it: U+0000 and halves of surrogate pairs become U+FFFD."""
    return _UNKEPT.sub(REPLACEMENT, text)


def keepable_json(value: Any, *, depth: int = 64) -> Any:
    """*value* (what `json.loads` gives) as a jsonb column can keep it.

    Texts as `keepable` has them; a number that is not finite, or too long for Postgres, becomes None;
    what is nested deeper than *depth* is cut off as None.
    """
    match value:
        case str():
            return keepable(value)
        case bool() | None:
            return value
        case float():
            return value if math.isfinite(value) else None
        case int():
            return value if abs(value) < 2**63 else None
        case dict() if depth:
            return {keepable(str(k)): keepable_json(v, depth=depth - 1) for k, v in value.items()}
        case list() | tuple() if depth:
            return [keepable_json(item, depth=depth - 1) for item in value]
    return None


def speaks_to_terminals(text: str) -> bool:
    """Whether *text* holds a character that a terminal, a log or a page would obey instead of show."""
    return _SPEAKING.search(text) is not None


def shown(text: str, *, lines: bool = False, most: int | None = None) -> str:
    """*text* as a terminal or a log may show it: what it would obey is written out (``\\x1b``, ``\\u202e``).

    *lines*: line feeds stay, for messages of several lines. *most*: characters, the last one an ellipsis
    where it is cut.
    """
    start = text if most is None else text[: most + 1]
    found = _SPEAKING.sub(lambda m: m[0] if lines and m[0] == "\n" else _written(m[0]), start)
    if most is not None and len(found) > most:
        found = found[: most - 1] + "…"
    return found


def visible(text: str) -> str:
    """*text* without what a terminal, a log or a page would obey instead of show."""
    return _SPEAKING.sub("", text)


def shown_json(document: str) -> str:
    """*document*, JSON already, with what a terminal would obey as JSON's own escapes: its value stays.

    Line feeds stay: within a JSON string there are none, between its parts they are its layout.
    """
    return _SPEAKING.sub(lambda m: m[0] if m[0] == "\n" else f"\\u{ord(m[0]):04x}", document)


def on_page(text: str) -> str:
    """*text* as HTML, in an element or an attribute: nothing in it is markup or turns the line around."""
    return escape(shown(text, lines=True))


def _written(char: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char)
    if named:
        return named
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
