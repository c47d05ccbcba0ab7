"""What a person means by a name or the end of an id."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

from safelight.domain.errors import Invalid, NotFound

if TYPE_CHECKING:
    from safelight.db.transaction import Tx
    from safelight.flow.commands import Actor
    from safelight.flow.context import Context

LISTED_BY = {
    "subject": "subjects",
    "training": "status",
    "version": "versions",
    "job": "jobs",
    "campaign": "campaign list",
    "erasure": "erasures",
    "key": "keys list",
    "hold": "holds",
    "removed photo": "recycled",
    "removed image": "recycled",
    "removed version": "recycled",
}
"""The command that lists what bears such an id."""


def id_of(tx: Tx, owner_id: UUID | None, text: str, *nouns: str) -> UUID:
    """The id that *text* names: whole, or its last digits, among these nouns (`db.ids.ending`) of the owner.

    A whole id is taken as it is. Raises NotFound; Invalid where the end fits several.
    """
    return whole_id(text) or by_end(tx, owner_id, text, *nouns)[1]


def whole_id(text: str) -> UUID | None:
    """*text* as an id, if it is a whole one."""
    try:
        return UUID(text)
    except ValueError:
        return None


def by_end(tx: Tx, owner_id: UUID | None, text: str, *nouns: str) -> tuple[str, UUID]:
    """The noun and the id that end so. Raises as `id_of` does."""
    from safelight.db import ids

    end, either = text.lower(), " or ".join(nouns)
    found = ids.ending(tx, nouns, end, owner_id) if re.fullmatch("[0-9a-f-]+", end) else []
    if not found:
        listed = LISTED_BY.get(nouns[0])
        hint = f"`safelight {listed}` lists them." if listed else None
        raise NotFound(f"There is no {either} {text!r}.", hint=hint)
    if len(found) > 1:
        fits = ", ".join(f"{noun} {id}" if len(nouns) > 1 else str(id) for noun, id in found)
        raise Invalid(
            f"{text!r} fits more than one {either}: {fits}.", hint="Give more of the end of its id."
        )
    return found[0]


def subject_id_of(cx: Context, actor: Actor, text: str) -> UUID:
    """The subject of this name, or of this id."""
    from safelight.db import subjects

    with cx.db.transaction() as tx:
        named = subjects.named(tx, actor.owner_id, text)
        return named.id if named else id_of(tx, actor.owner_id, text, "subject")


def version_id_of(cx: Context, actor: Actor, text: str) -> UUID:
    """The version of this id."""
    with cx.db.transaction() as tx:
        return id_of(tx, actor.owner_id, text, "version")
