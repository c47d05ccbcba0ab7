"""Commands on what may be deleted: remove and restore, hold and release."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from safelight.cli.console import Json, ago, out, say_json, short, size, system, table
from safelight.cli.naming import id_of, subject_id_of, whole_id
from safelight.domain.errors import Invalid

Noun = Annotated[str, typer.Argument(help="photo, image or version.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(rich_help_panel="Keep and delete")(remove)
    app.command(rich_help_panel="Keep and delete")(restore)
    app.command(rich_help_panel="Keep and delete")(recycled)
    app.command(rich_help_panel="Keep and delete")(hold)
    app.command(rich_help_panel="Keep and delete")(release)
    app.command(rich_help_panel="Keep and delete")(holds)


def remove(noun: Noun, id: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """Remove a photo, an image or a version that does not draw.

    It is gone at once for everyone who lists, trains or draws, and can be had back (`safelight
    restore`) until its recycle window is over: seven days, unless the rules say otherwise. Then its
    object is deleted. A subject is not removed but erased: `safelight erase`.
    """
    from safelight.domain.retention import Rule, spoken
    from safelight.flow.commands import recycling
    from safelight.flow.retention import policy_of

    with system() as (cx, actor):
        age = policy_of(cx.settings).ages
        with cx.db.transaction() as tx:
            recycling.remove(tx, actor, noun, _uuid(id))
        out.print(
            f"The {noun} is removed. For {spoken(age[Rule.RECYCLED_PHOTOS])} "
            f"`safelight restore {noun} {id}` undoes it."
        )


def restore(noun: Noun, id: Annotated[str, typer.Argument(help="Its id, or its end.")]) -> None:
    """Have back what was removed, while its recycle window lasts.

    A photo is inspected anew by the next training. `safelight recycled` lists what there is.
    """
    from safelight.flow.commands import recycling

    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            found = id_of(tx, actor.owner_id, id, f"removed {noun}")
            recycling.restore(tx, actor, noun, found)
        out.print(f"The {noun} is back.")


def recycled(as_json: Json = False) -> None:
    """List what was removed and can still be had back with `safelight restore`.

    Each is deleted by the clock once its window is over; `safelight cleanup plan` says when.
    """
    from safelight.db import recycling

    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            found = recycling.recycled(tx, actor.owner_id, limit=1000)
        if as_json:
            say_json(found)
            return
        table(
            "Removed, and to be had back",
            ("what", "id", "name", "size", "removed"),
            ((f.noun, short(f.id), f.name, size(f.bytes or 0), ago(f.removed_at)) for f in found),
        )


def hold(
    id: Annotated[str, typer.Argument(help="The id, or a subject's name.")],
    reason: Annotated[str, typer.Option(help="Why; shown wherever the hold keeps something.")],
) -> None:
    """Let nothing delete it: no rule, no person, no erasure.

    It may be a subject, a version, a training, a dataset, a photo, a generation or an image; a hold
    on a subject keeps all that is the subject's. It lasts until `safelight release`.
    """
    from safelight.flow.commands.recycling import place_hold

    with system() as (cx, actor):
        found = whole_id(id) or subject_id_of(cx, actor, id)
        with cx.db.transaction() as tx:
            made = place_hold(tx, actor, found, reason)
        out.print(f"The {made.noun} {made.noun_id} is on hold.")


def release(
    id: Annotated[str, typer.Argument(help="The hold's id, or the id of what it holds.")],
) -> None:
    """Release a hold: the rules apply to the thing again, from the next turn of the clock on.

    What is past its age by then goes at that turn; `safelight cleanup plan` shows it first.
    """
    from safelight.flow.commands.recycling import release_hold

    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            released = release_hold(tx, actor, id_of(tx, actor.owner_id, id, "hold"))
        out.print(f"The {released.noun} {released.noun_id} is held no more.")


def holds(as_json: Json = False) -> None:
    """List the holds in force: what nothing may delete, why, and who said so.

    Released ones are no longer shown; they stay in the events of what they held.
    """
    from safelight.db import recycling

    with system() as (cx, actor):
        with cx.db.transaction() as tx:
            found = recycling.holds(tx, actor.owner_id, limit=1000)
        if as_json:
            say_json(found)
            return
        table(
            "Holds",
            ("id", "what", "its id", "why", "by", "since"),
            (
                (short(h.id), h.noun, short(h.noun_id), h.reason, h.placed_by, ago(h.placed_at))
                for h in found
            ),
        )


def _uuid(text: str) -> UUID:
    id = whole_id(text)
    if id is None:
        raise Invalid(
            f"{text!r} is no whole id.", hint="What deletes takes the whole id, not its end."
        )
    return id
