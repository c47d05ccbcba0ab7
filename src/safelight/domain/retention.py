"""Retention: how long each kind of thing is kept, how many of it, and how fast the rest goes.

The rules are one TOML file (`retention.toml` in this package); a file of one's own changes some of
them. What protects a thing is not a matter of policy: it stands with the choice, in
`db/sql/retention.sql`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Any

from safelight.domain.errors import Invalid

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_AGE = re.compile(r"^(\d+(?:\.\d+)?) ?(s|min|h|d)$")
READABLE_CLASSES = ("STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "INTELLIGENT_TIERING")
"""Storage classes from which an object is read at once; others have to be thawed for hours first."""


class Rule(StrEnum):
    """What the policy has a rule for, in the order in which the plan applies them."""

    VERSIONS = "versions"
    PROVIDER = "provider"
    RECYCLED_PHOTOS = "recycled photos"
    RECYCLED_IMAGES = "recycled images"
    RECYCLED_VERSIONS = "recycled versions"
    PREVIEWS = "previews"
    IMAGES = "images"
    WEIGHTS = "weights"
    DATASETS = "datasets"
    TRACKERS = "trackers"
    LOGS = "logs"
    LEDGER = "ledger"
    EVENTS = "events"
    TEMPORARY = "temporary"
    UPLOADS = "uploads"
    ORPHANS = "orphans"


OBJECTS = (Rule.TEMPORARY, Rule.UPLOADS, Rule.ORPHANS)
"""The rules whose things are objects in the store; all others end with rows, and with objects that
are temporary from then on."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is done at a time: cleanup never competes with work."""

    rows: int
    objects: int
    objects_per_second: float
    pause: float
    archives: int
    walk: float


@dataclass(frozen=True, slots=True)
class Policy:
    """Ages in seconds, by rule; None: never. `keep`: how many of the newest stay, by rule."""

    pace: Pace
    ages: Mapping[Rule, float | None]
    keep: Mapping[Rule, int]
    rollback: float
    """A version that was made or that drew within this many seconds is not archived."""
    storage_class: str
    """Where archived weights go; empty: they stay where they are."""
    patience: float
    """Seconds for which the provider is asked for a deletion and looked at again."""
    unseen: float
    """Seconds an object has to be old before it can be an orphan."""

    def parameters(self, rule: Rule) -> dict[str, Any] | None:
        """What the rule's choice is made with; None: none of it ever goes."""
        age = self.ages[rule]
        if age is None:
            return None
        return {
            "rule": str(rule),
            "age": age,
            "keep": self.keep.get(rule, 0),
            "rollback": self.rollback,
        }


def seconds(text: Any, where: str) -> float | None:
    """``"90 d"`` as seconds; ``"never"`` as None. Raises Invalid."""
    if text == "never":
        return None
    found = _AGE.match(text) if isinstance(text, str) else None
    if found is None:
        raise Invalid(
            f"{where} is {text!r}: no age.",
            hint='Write a number and a unit ("30 s", "15 min", "12 h", "90 d"), or "never".',
        )
    return float(found[1]) * _UNITS[found[2]]


def spoken(age: float | None) -> str:
    """Seconds as a person says them: in the largest unit that leaves a whole number."""
    if age is None:
        return "never"
    for unit, size in reversed(_UNITS.items()):
        if age >= size and age % size == 0:
            return f"{age / size:,.0f} {unit}"
    return f"{age:g} s"


@lru_cache
def shipped() -> dict[str, dict[str, Any]]:
    """The rules as they are shipped, as tables."""
    return tomllib.loads(files("safelight").joinpath("retention.toml").read_text("utf-8"))


def parse(text: str = "", source: str = "retention.toml") -> Policy:
    """The policy: the shipped one, with what *text* (TOML) changes in it.

    Raises:
        Invalid: naming the rule that does not exist or the value that cannot be, and what could.
    """
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{source} is not TOML: {error}.") from None
    tables = {name: dict(table) for name, table in shipped().items()}
    for name, table in given.items():
        if name not in tables or not isinstance(table, dict):
            raise Invalid(
                f"{source} has a rule {name!r} that does not exist.",
                hint=f"There are: {', '.join(tables)}.",
            )
        for key, value in table.items():
            if key not in tables[name]:
                raise Invalid(
                    f"{source}: [{name}] has no {key!r}.",
                    hint=f"It has: {', '.join(tables[name])}.",
                )
            tables[name][key] = value
    return _policy(_Tables(tables, source))


class _Tables:
    """The merged tables, read with the name of what is wrong in every error."""

    def __init__(self, tables: Mapping[str, Mapping[str, Any]], source: str) -> None:
        self._tables = tables
        self._source = source

    def _where(self, name: str, key: str) -> str:
        return f"{self._source}: [{name}] {key}"

    def age(self, name: str) -> float | None:
        return seconds(self._tables[name]["age"], self._where(name, "age"))

    def time(self, name: str, key: str) -> float:
        found = seconds(self._tables[name][key], self._where(name, key))
        if found is None:
            raise Invalid(f"{self._where(name, key)} cannot be 'never'.", hint="Give it a time.")
        return found

    def count(self, name: str, key: str, low: int, high: int) -> int:
        value = self._tables[name][key]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Invalid(f"{self._where(name, key)} is {value!r}; it can be {low} to {high:,}.")
        return value

    def storage_class(self) -> str:
        value = self._tables["versions"]["storage_class"]
        if value not in ("", *READABLE_CLASSES):
            raise Invalid(
                f"{self._where('versions', 'storage_class')} is {value!r}: from there weights "
                "cannot be read at once, so they could not be verified.",
                hint=f'It can be "" or {", ".join(READABLE_CLASSES)}.',
            )
        return str(value)


def _policy(tables: _Tables) -> Policy:
    recycled = tables.time("recycle", "age")
    ages: dict[Rule, float | None] = {
        Rule.VERSIONS: 0.0,
        Rule.RECYCLED_PHOTOS: recycled,
        Rule.RECYCLED_IMAGES: recycled,
        Rule.RECYCLED_VERSIONS: recycled,
    }
    ages |= {rule: tables.age(rule) for rule in Rule if rule not in ages}
    return Policy(
        pace=Pace(
            rows=tables.count("pace", "rows", 1, 10_000),
            objects=tables.count("pace", "objects", 1, 100_000),
            objects_per_second=tables.count("pace", "objects_per_second", 1, 1_000_000),
            pause=tables.time("pace", "pause"),
            archives=tables.count("pace", "archives", 1, 10_000),
            walk=tables.time("pace", "walk"),
        ),
        ages=ages,
        keep={
            Rule.VERSIONS: tables.count("versions", "keep", 1, 1_000),
            Rule.PREVIEWS: tables.count("previews", "keep", 0, 1_000),
            Rule.DATASETS: tables.count("datasets", "keep", 0, 1_000),
        },
        rollback=tables.time("versions", "rollback"),
        storage_class=tables.storage_class(),
        patience=tables.time("provider", "patience"),
        unseen=tables.time("orphans", "unseen"),
    )
