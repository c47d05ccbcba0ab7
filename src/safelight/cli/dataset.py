"""`safelight dataset`: a subject's set, reported on and looked at again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from safelight import scratch
from safelight.cli.console import Json, err, out, say_json, system
from safelight.cli.naming import subject_id_of
from safelight.domain.profiles import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safelight.domain.nouns import Photo
    from safelight.flow.context import Context

Subject = Annotated[str, typer.Argument(help="The subject's name or id.")]
Profile = Annotated[str, typer.Option(help="See `safelight profiles`.")]

commands = typer.Typer(no_args_is_help=True, help="A subject's set: report on it, look again.")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(commands, name="dataset", rich_help_panel="Look")


@commands.command()
def inspect(
    subject: Subject,
    profile: Profile = DEFAULT,
    retrain: Annotated[
        str | None, typer.Option(help="As if it were answered with: smaller or union.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write the report as one HTML page to this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Report on a subject's set as it would be trained now, by what is on record of its photos.

    Held against the profile, and against the set of the subject's last good version: what is lost,
    and what the union of both would be. Nothing is changed and nothing is paid.
    """
    from safelight.cli.set_report import show_report
    from safelight.flow.commands import datasets

    with system() as (cx, actor):
        id = subject_id_of(cx, actor, subject)
        with cx.db.transaction() as tx:
            report, photos = datasets.report(tx, actor, id, profile=profile, retrain=retrain)
        if html is not None:
            _page(cx, html, report, photos, title=subject)
    if as_json:
        say_json(report)
    else:
        show_report(report, html)


@commands.command()
def reinspect(subject: Subject, profile: Profile = DEFAULT, as_json: Json = False) -> None:
    """Judge a subject's photos anew, and look again at those that this eye may see more of.

    Needed where limits or models have changed; the bytes of photos that are measured already are not
    fetched. A training does the same by itself.
    """
    from safelight.flow.commands import datasets
    from safelight.vision.pool import EyePool

    with system() as (cx, actor), EyePool() as eyes:
        id = subject_id_of(cx, actor, subject)
        with err.status("Looking ..."):
            counts = datasets.reinspect(cx.db, cx.tools.store, eyes, actor, id, profile=profile)
    if as_json:
        say_json(counts)
        return
    out.print(
        f"{counts['photos']} photos judged, {counts['looked_at']} of them looked at again; "
        f"{counts['changed']} changed between usable and not.",
    )


def _page(
    cx: Context, target: Path, report: dict[str, Any], photos: Sequence[Photo], *, title: str
) -> None:
    from safelight.cli.set_report import thumbnails, write_page
    from safelight.domain.errors import ObjectMissing, ObjectTooLarge
    from safelight.domain.photos import MAX_BYTES
    from safelight.vision.pool import EyePool

    with scratch.folder() as work, EyePool() as eyes:
        files = {}
        for photo in photos:
            path = work / str(photo.id)
            try:
                cx.tools.store.get_file(photo.key, path, limit=MAX_BYTES)
            except (ObjectMissing, ObjectTooLarge):
                continue
            files[str(photo.id)] = path
        write_page(target, report, thumbnails(eyes, files), title=title)
