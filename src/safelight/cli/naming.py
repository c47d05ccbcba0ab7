"""What a person means by a name or the end of an id."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from safelight.cli.console import find_id

if TYPE_CHECKING:
    from safelight.flow.commands import Actor
    from safelight.flow.context import Context


def subject_id_of(cx: Context, actor: Actor, text: str) -> UUID:
    """The subject of this name, or of this id."""
    from safelight.db import subjects

    with cx.db.transaction() as tx:
        named = subjects.named(tx, actor.owner_id, text)
        if named is not None:
            return named.id
        ids = [s.id for s in subjects.find(tx, actor.owner_id, limit=1000)]
    return find_id(text, ids, "subject")


def version_id_of(cx: Context, actor: Actor, text: str) -> UUID:
    """The version of this id."""
    from safelight.db import versions

    with cx.db.transaction() as tx:
        ids = [v.id for v, _ in versions.find(tx, actor.owner_id, limit=1000)]
    return find_id(text, ids, "version")
