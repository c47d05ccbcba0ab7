"""The retention policy in force, and its plan: what would go by which rule, how much, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from safelight import scratch
from safelight.db import retention
from safelight.db.transaction import Tx
from safelight.domain.errors import Invalid
from safelight.domain.queues import Kind
from safelight.domain.retention import Policy, Rule, parse, spoken
from safelight.settings import Settings

PERIODIC = (Kind.PURGE_TEMPORARY, Kind.ARCHIVE_VERSIONS, Kind.APPLY_RETENTION)
"""The kinds of work that carry out the plan, each slot of the clock."""
WALKS = (Kind.WALK_STORE, Kind.WALK_PROVIDER)
"""Those that compare the store and the provider with the rows."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What one rule lets go, and what keeps the rest of what it chooses."""

    rule: Rule
    things: int
    bytes: int
    """Of the objects whose size is on record."""
    oldest: datetime | None
    why: str
    protected: Mapping[str, int]
    """reason → how many it keeps"""


def policy_of(settings: Settings) -> Policy:
    """The policy in force; the file is read anew when it changes. Raises Invalid."""
    path = settings.retention_file
    if path is None:
        return _shipped()
    try:
        return _from_file(path, path.stat().st_mtime_ns)
    except OSError as error:
        if scratch.is_own(error):
            raise scratch.own(error, path) from error
        raise Invalid(
            f"The retention rules cannot be read: {path}: {error.strerror}.",
            hint="Mend SAFELIGHT_RETENTION_FILE, or unset it for the rules as shipped.",
        ) from None


@lru_cache(1)
def _shipped() -> Policy:
    return parse()


@lru_cache(4)
def _from_file(path: Path, _changed: int) -> Policy:
    return parse(path.read_text("utf-8"), path.name)


def plan(tx: Tx, policy: Policy) -> list[Planned]:
    """What would go now, rule by rule: the same choice that the clock takes from."""
    found = []
    for rule in Rule:
        rows = retention.count(tx, policy, rule)
        goes = next((row for row in rows if row["protected_by"] is None), None)
        found.append(
            Planned(
                rule=rule,
                things=goes["things"] if goes else 0,
                bytes=goes["bytes"] if goes else 0,
                oldest=goes["oldest"] if goes else None,
                why=why(policy, rule),
                protected={
                    row["protected_by"]: row["things"] for row in rows if row["protected_by"]
                },
            )
        )
    return found


def why(policy: Policy, rule: Rule) -> str:
    """The rule in words."""
    age, keep = policy.ages[rule], policy.keep.get(rule)
    if age is None:
        return "never"
    match rule:
        case Rule.VERSIONS:
            return f"beyond the newest {keep} of a subject, not used for {spoken(policy.rollback)}"
        case Rule.PROVIDER:
            return f"archived, and not yet gone there, for {spoken(age)}"
        case Rule.RECYCLED_PHOTOS | Rule.RECYCLED_IMAGES | Rule.RECYCLED_VERSIONS:
            return f"removed {spoken(age)} ago"
        case Rule.WEIGHTS:
            return f"archived {spoken(age)} ago"
        case Rule.TEMPORARY | Rule.UPLOADS | Rule.ORPHANS:
            return f"{spoken(age)} past their time" if age else "past their time"
        case _ if keep is not None:
            return f"older than {spoken(age)}, beyond the newest {keep}"
        case _:
            return f"older than {spoken(age)}"
