"""Links: what an audit says of one thing a version stands on, and how objects are held against rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """What became of a link when it was looked at."""

    OK = "ok"
    DIFFERS = "differs"
    """On record, and not what was asked for: a trainer's version, a parameter."""
    BROKEN = "broken"
    """What is there is not what was recorded: a changed byte, a missing object, rows that disagree."""
    CANNOT_VERIFY = "cannot verify"
    NOT_READ = "not read"
    """The object's bytes were not asked for."""


WORST = (State.BROKEN, State.CANNOT_VERIFY, State.DIFFERS, State.NOT_READ, State.OK)


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it was read: its size, the sha256 of its bytes, and of a zip those of its members.

    `members` is None where it is no zip that opens. `gone`: nothing is there under its key.
    """

    bytes: int = 0
    sha256: str | None = None
    gone: bool = False
    members: Mapping[str, str] | None = None
    document: Any = None
    before: tuple[str, ...] = ()
    """Hashes it had until we took out of it where it was taken."""


@dataclass(frozen=True, slots=True)
class Link:
    """One link: what it is about, what became of it, what was expected and what was found."""

    name: str
    state: State
    says: str
    expected: str | None = None
    found: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The link as JSON takes it."""
        return {**asdict(self), "state": self.state.value}


def worst(states: Iterable[State]) -> State:
    """The one to worry about most."""
    found = set(states)
    return next((state for state in WORST if state in found), State.OK)


Objects = Mapping[str, Seen]
"""What was read of the store, by key."""


def of_object(
    name: str,
    what: str,
    key: str,
    recorded: tuple[int | None, str | None],
    objects: Objects | None,
    purged: Any = None,
) -> Link:
    """One object against the size and the sha256 that its row has."""
    size, sha256 = recorded
    if purged:
        says = (
            f"{what} was deleted on {purged:.10}"
            if isinstance(purged, str)
            else f"{what} was deleted"
        )
        return Link(name, State.CANNOT_VERIFY, f"{says}; its hash is kept.", sha256)
    if sha256 is None:
        return Link(name, State.CANNOT_VERIFY, f"No hash of {what} was recorded.")
    if objects is None or key not in objects:
        return Link(
            name, State.NOT_READ, f"{what} has a hash on record; its bytes were not read.", sha256
        )
    seen = objects[key]
    if seen.gone:
        return Link(name, State.BROKEN, f"{what} is not in the store ({key}).", sha256)
    if sha256 in seen.before:
        says = f"{what} is as it was recorded, but for its location, which was taken out since."
        return Link(name, State.OK, says, sha256, seen.sha256)
    if seen.sha256 != sha256:
        off = (
            "" if size in (None, seen.bytes) else f", and {seen.bytes:,} bytes where {size:,} were"
        )
        return Link(
            name,
            State.BROKEN,
            f"{what} was changed after it was recorded ({key}){off}.",
            sha256,
            seen.sha256,
        )
    return Link(name, State.OK, f"{what} is as it was recorded.", sha256, seen.sha256)


def gathered(name: str, links: list[Link], what: str) -> list[Link]:
    """All but the good ones singly; the good ones as one."""
    good = [link for link in links if link.state is State.OK]
    bad = [link for link in links if link.state is not State.OK]
    if good:
        bad.insert(0, Link(name, State.OK, f"{len(good)} of {len(links)} {what} as recorded."))
    return bad
