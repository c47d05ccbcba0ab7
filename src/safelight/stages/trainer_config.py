"""The trainer's own `config.yaml`: what it really used, as plain values that JSON and Postgres can keep.

It is written by a program that we do not run, so it is read like anything from outside: no aliases, no
tags, so deep and so many values and no more. A number that JSON lacks, a date and whatever else is not
plain stay the text they were written as. What cannot be read is no config and is said; it must never
cost the weights that were paid for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from safelight.domain.texts import keepable_json, shown

MAX_BYTES = 256 * 1024
"""The trainer's has some 3 kB, and 40 kB where it names every layer."""
MAX_DEPTH = 50
MAX_VALUES = 20_000
MAX_TEXT = 20_000
"""Characters of one text."""
MAX_NUMBER = 40
"""Characters; a longer number stays a text."""

_TRUE = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
_FALSE = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BROKEN = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_ENDS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


class _Unreadable(Exception):
    """The config breaks one of our bounds; the message says which."""


@dataclass(frozen=True, slots=True)
class Config:
    """`process`: ``config.process[0]`` of ai-toolkit's config, the parameters as the trainer had them;
    None where there is none, and then `fault` says why."""

    process: dict[str, Any] | None = None
    fault: str | None = None


def read(text: bytes) -> Config:
    """The config in *text*; it raises nothing, whatever is in it."""
    if len(text) > MAX_BYTES:
        return _none(f"it has {len(text):,} bytes, and at most {MAX_BYTES:,} are read")
    try:
        found = _document(text)
        process = found["config"]["process"][0]
        if not isinstance(process, dict):
            return _none("config.process[0] is no table")
        return Config(keepable_json(process, depth=MAX_DEPTH))
    except _Unreadable as error:
        return _none(str(error))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        return _none(f"it is no YAML{where}")
    except (KeyError, IndexError, TypeError):
        return _none("it has no config.process[0]")
    except Exception as error:  # noqa: BLE001 (whatever is wrong with it, the weights are paid for)
        return _none(f"{type(error).__name__}: {shown(str(error), most=200)}")


def _none(why: str) -> Config:
    return Config(None, f"config.yaml cannot be read: {why}.")


def trained_only(process: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    """The layers that training was kept to (``network.network_kwargs.only_if_contains``): parts of
    names. None where the config does not tell; empty: all layers were trained."""
    if process is None:
        return None
    found: Any = process
    for key in ("network", "network_kwargs", "only_if_contains"):
        if not isinstance(found, Mapping):
            return None
        found = found.get(key)
        if found is None:
            return ()
    if not isinstance(found, list) or not all(isinstance(part, str) for part in found):
        return None
    return tuple(found)


def _document(text: bytes) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times as fast
    events = _counted(yaml.parse(text, Loader=loader))
    for event in events:
        if isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            continue
        if isinstance(event, yaml.StreamEndEvent):
            break
        return _value(event, events, MAX_DEPTH)
    raise _Unreadable("it is empty")


def _counted(events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    for number, event in enumerate(events):
        if number > MAX_VALUES:
            raise _Unreadable(f"it has over {MAX_VALUES:,} values")
        if isinstance(event, yaml.AliasEvent):
            raise _Unreadable("it has an alias, which the trainer never writes")
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!":
            raise _Unreadable(f"it has the tag {shown(str(tag), most=60)}")
        yield event


def _value(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Any:
    if not depth:
        raise _Unreadable(f"it is over {MAX_DEPTH} levels deep")
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event)
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Any] = []
        while not isinstance(event := next(events), _ENDS):
            items.append(_value(event, events, depth - 1))
        return items
    table: dict[str, Any] = {}
    while not isinstance(event := next(events), _ENDS):
        if not isinstance(event, yaml.ScalarEvent):
            raise _Unreadable("it has a key that is no text")
        key = _text(event)
        table[key] = _value(next(events), events, depth - 1)
    return table


def _text(event: yaml.ScalarEvent) -> str:
    if len(event.value) > MAX_TEXT:
        raise _Unreadable(f"it has a text of {len(event.value):,} characters")
    return str(event.value)


def _scalar(event: yaml.ScalarEvent) -> str | int | float | bool | None:
    """What a plain text stands for, as YAML 1.1 has it for what the trainer writes."""
    text = _text(event)
    if event.style or event.tag is not None:  # it was quoted
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    return _number(text) if len(text) <= MAX_NUMBER else text


def _number(text: str) -> str | int | float:
    if _WHOLE.fullmatch(text):
        whole = int(text)
        return whole if abs(whole) < 2**63 else text
    if _BROKEN.fullmatch(text):
        value = float(text)
        return value if math.isfinite(value) else text
    return text
