"""Ways to change a file, a text or a value that was whole, for the kinds to choose from."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

Change = Callable[[bytes, random.Random], bytes]

TEXTS: tuple[str, ...] = (
    "", " ", "\x00", "a\x00b", "\ud800", "\udc80x", "\x1b[31mred", "\x1b]0;title\x07", "\x9b2J",
    "\u202egnp.exe", "\ufeffx", "\u2028", "a\r\nb", "a\nb", "\t", "[/nope]", "[red]x[/]", "%s%n%x", "${x}",
    "{{x}}", "'; DROP TABLE x;--", "<script>alert(1)</script>", "../../etc/passwd", "/etc/passwd", "CON",
    "NaN", "nan", "-inf", "Infinity", "1e999", "-0", "0x10", "1_000", "9" * 5000, "²", "\u0665", "None",
    "true", "null", "~", "x" * 10_000, "é" * 5_000, "𝟘" * 500, "日本語", "🦊", "a" * 255, ".", "..", "a/b",
)  # fmt: skip
"""Words that something, somewhere, obeys, cannot keep, or counts wrongly."""

NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 2, 3, 7, 255, 256, 2**15, 2**16, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63,
    2**64, 2**200, 10**400, -(2**63), 0.5, -0.0, 1e308, 1e-320, True, False, None,
)  # fmt: skip


def cut(data: bytes, source: random.Random) -> bytes:
    """The first part only."""
    return data[: source.randrange(len(data) + 1)]


def flipped(data: bytes, source: random.Random) -> bytes:
    """Some bits turned over, anywhere or near the beginning."""
    changed = bytearray(data)
    within = min(len(changed), source.choice((64, 1024, len(changed)))) if changed else 0
    for _ in range(source.choice((1, 3, 10, 100)) if within else 0):
        changed[source.randrange(within)] ^= 1 << source.randrange(8)
    return bytes(changed)


def hole(data: bytes, source: random.Random) -> bytes:
    """A stretch of it zeroed, taken out, or there twice."""
    start = source.randrange(len(data) + 1)
    end = min(len(data), start + source.choice((1, 8, 64, 4_000)))
    middle = source.choice((bytes(end - start), b"", data[start:end] * 2))
    return data[:start] + middle + data[end:]


def number_changed(data: bytes, source: random.Random) -> bytes:
    """Two, four or eight bytes replaced by a number that somebody counts with."""
    width, packed = source.choice(((2, "H"), (4, "I"), (8, "Q")))
    if len(data) < width:
        return data
    start = source.randrange(len(data) - width + 1)
    value = source.choice((0, 1, 2**15, 2**16 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1))
    order = source.choice("<>")
    return data[:start] + struct.pack(order + packed, value % 256**width) + data[start + width :]


def text_put_in(data: bytes, source: random.Random) -> bytes:
    """A word of `TEXTS` somewhere in it."""
    start = source.randrange(len(data) + 1)
    word = source.choice(TEXTS).encode("utf-8", "surrogatepass")
    return data[:start] + word + data[start:]


def noise(_data: bytes, source: random.Random) -> bytes:
    """Nothing that ever was such a file."""
    return source.randbytes(source.choice((0, 1, 7, 8, 511, 512, 5_000)))


BYTES: Sequence[Change] = (cut, flipped, flipped, hole, number_changed, text_put_in, noise)


def bytes_changed(data: bytes, source: random.Random) -> bytes:
    """One or two of the changes to bytes."""
    for _ in range(source.choice((1, 1, 2))):
        data = source.choice(BYTES)(data, source)
    return data


def odd(source: random.Random, depth: int = 2) -> Any:
    """A value that nobody expects: a number, a word, or a table or list of them."""
    kind = source.random()
    if kind < 0.4:
        return source.choice(NUMBERS)
    if kind < 0.75 or not depth:
        return source.choice(TEXTS)
    if kind < 0.8:
        return nested(source.choice((10, 60, 500)), source)
    items = [odd(source, depth - 1) for _ in range(source.choice((0, 1, 3, 40)))]
    return items if kind < 0.9 else {source.choice(TEXTS) + str(n): v for n, v in enumerate(items)}


def nested(depth: int, source: random.Random) -> Any:
    """A list in a list, or a table in a table."""
    value: Any = 1
    for _ in range(depth):
        value = [value] if source.random() < 0.5 else {"a": value}
    return value


def as_json(value: Any) -> bytes:
    """*value* as JSON, or what is nested about as deep, where the library gives up."""
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return b'{"a":' * 3_000 + b"1" + b"}" * 3_000


def value_changed(value: Any, source: random.Random) -> Any:
    """*value* (tables, lists, plain values), changed in place somewhere in it: replaced, removed, doubled,
    renamed. What was replaced at the root is returned."""
    places = _places(value)
    if not places:
        return odd(source)
    holder, key = source.choice(places)
    what = source.random()
    if what < 0.6:
        holder[key] = odd(source)
    elif what < 0.75:
        del holder[key]
    elif isinstance(holder, dict):
        holder[source.choice(TEXTS)] = holder[key] if what < 0.9 else holder.pop(key)
    else:
        holder.insert(key, holder[key])
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (holder, key) in it."""
    found: list[tuple[Any, Any]] = []
    todo = [value]
    while todo:
        holder = todo.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                todo.append(holder[key])
    return found
