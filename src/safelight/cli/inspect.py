"""`safelight inspect`: look at a folder of photos before any money is spent. Needs no server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safelight.cli.console import Json, err, say_json
from safelight.cli.folder import PhotoFile, name_of, read_folder
from safelight.cli.training import DEFAULT_KIND
from safelight.domain.nouns import SubjectKind
from safelight.domain.profiles import DEFAULT

if TYPE_CHECKING:
    from safelight.domain.members import SetPhoto
    from safelight.vision.pool import EyePool


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Look")(inspect)


def inspect(
    folder: Annotated[Path, typer.Argument(help="Folder of photos of one subject.")],
    profile: Annotated[str, typer.Option(help="See `safelight profiles`.")] = DEFAULT,
    kind: Annotated[
        str, typer.Option(help="person, model or character; say the same to `train`.")
    ] = SubjectKind.PERSON,
    html: Annotated[
        Path | None, typer.Option(help="Write the report as one HTML page to this file.")
    ] = None,
    strict: Annotated[
        bool, typer.Option(help="Exit 1 where the set is not to be trained.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure the photos of a folder: each one, and the set against a profile.

    Says what can be used, what cannot and why, whether all photos show one person, what the set is
    made of and what to add. Works with nothing running; nothing is sent anywhere. A caption may lie
    beside its photo as a .txt or .caption file; what is not read is named.
    """
    from safelight.cli.profiles import read_own
    from safelight.cli.set_report import show_report, thumbnails, write_page
    from safelight.domain.profiles import get_profile
    from safelight.domain.report import exposures_of, report_of
    from safelight.domain.sets import judge_set
    from safelight.flow.commands.subjects import check_kind
    from safelight.vision.pool import EyePool

    check_kind(kind)
    read_own()
    chosen = get_profile(profile)
    found = read_folder(folder)
    found.say_aside()
    with EyePool() as eyes:
        photos = _look(eyes, found.photos, quiet=as_json)
        judged = judge_set(photos, chosen.gates, kind=kind, exposures=exposures_of(chosen))
        report = report_of(judged, photos, chosen)
        if html is not None:
            pictures = thumbnails(
                eyes, {p.id: file.path for p, file in zip(photos, found.photos, strict=True)}
            )
            write_page(html, report, pictures, title=name_of(folder.resolve()))
    if as_json:
        say_json(report)
    else:
        show_report(report, html)
        if kind != DEFAULT_KIND:
            said = f"`safelight train` judges alike with --kind {kind}; unasked it takes a {DEFAULT_KIND}."
            err.print(said)
    if strict and judged.verdict.value == "block":
        raise typer.Exit(1)


def _look(eyes: EyePool, files: Sequence[PhotoFile], *, quiet: bool) -> list[SetPhoto]:
    from rich.progress import track

    from safelight.domain.members import SetPhoto

    found = eyes.inspect_all((file.path, file.name) for file in files)
    shown = track(found, "Looking", len(files), console=err, disable=quiet, transient=True)
    # In a folder a name is one file, so it is also the photo's id, unless bytes of it had to be replaced.
    taken = Counter(file.name for file in files)
    return [
        SetPhoto(
            file.name if taken[file.name] == 1 else f"{file.name}#{number}",
            file.name,
            seen.facts,
            caption=file.caption,
        )
        for number, (file, seen) in enumerate(zip(files, shown, strict=True))
    ]
