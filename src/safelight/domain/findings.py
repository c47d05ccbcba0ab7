"""A finding: one thing measured about a photo or a set, its limit, how sure we are and the way out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """What follows from a finding.

    `block`: the photo is not used, or (for a finding on the set) nothing is trained.
    `warn`: the work goes on, and a person should look. `note`: for the record.
    """

    BLOCK = "block"
    WARN = "warn"
    NOTE = "note"


class Trust(StrEnum):
    """How sure a finding is: measured, a hint that is often right, or not measured at all."""

    MEASURED = "measured"
    HINT = "hint"
    NOT_MEASURED = "not-measured"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `photo` is the photo's name and `photo_id` its id; both None: the set as a whole.

    `kind` is a stable word for machines; `message` is a plain sentence that names the photo, what was
    measured, the limit and what to do.
    """

    kind: str
    level: Level
    message: str
    photo: str | None = None
    photo_id: str | None = None
    trust: Trust = Trust.MEASURED
    measured: str | float | None = None
    limit: str | float | None = None
    remedy: str | None = None
    source: str | None = None
    """Where the limit comes from."""

    @property
    def blocks(self) -> bool:
        """True if the photo (or the set) cannot be used."""
        return self.level is Level.BLOCK

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON takes it."""
        return {**asdict(self), "level": self.level.value, "trust": self.trust.value}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Finding:
        """The finding `to_dict` made; keys of a newer version are passed over."""
        known = {key: data[key] for key in cls.__dataclass_fields__ if key in data}
        return cls(
            **{
                **known,
                "level": Level(data["level"]),
                "trust": Trust(data.get("trust", "measured")),
            }
        )


def of_set(
    kind: str,
    level: Level,
    says: str,
    measured: str | float | None = None,
    limit: str | float | None = None,
    remedy: str | None = None,
    *,
    source: str | None = None,
    trust: Trust = Trust.MEASURED,
) -> Finding:
    """A finding on the set as a whole; the message is what is said and the way out."""
    message = f"{says} {remedy}" if remedy else says
    return Finding(
        kind,
        level,
        message,
        trust=trust,
        measured=measured,
        limit=limit,
        remedy=remedy,
        source=source,
    )


def blocked(findings: Iterable[Finding]) -> bool:
    """True if any of the findings blocks."""
    return any(finding.blocks for finding in findings)


def shown(name: str, *, limit: int = 80) -> str:
    """A producer's file name, quoted and safe to print: no control characters, at most *limit* long."""
    clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)
    return f'"{clean}"' if len(clean) <= limit else f'"{clean[: limit - 1]}…"'
