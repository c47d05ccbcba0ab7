"""`safelight inspect`: look at a folder of photos before any money is spent. Needs no server."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from safelight.cli.console import err, out, say_json
from safelight.cli.training import photos_in
from safelight.domain.errors import Invalid

if TYPE_CHECKING:
    from safelight.domain.members import PhotoForSet
    from safelight.vision.guard import GuardedEye

THUMBNAIL = 320
"""Pixels of the longest side of a picture on the page."""

T = TypeVar("T")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Look")(inspect)


def inspect(
    folder: Annotated[Path, typer.Argument(help="Folder of photos of one subject.")],
    profile: Annotated[str, typer.Option(help="See `safelight profiles`.")] = "likeness@v2",
    kind: Annotated[str, typer.Option(help="person, model or character.")] = "person",
    html: Annotated[
        Path | None, typer.Option(help="Write the report as one HTML page to this file.")
    ] = None,
    strict: Annotated[
        bool, typer.Option(help="Exit 1 where the set is not to be trained.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Measure the photos of a folder: each one, and the set against a profile.

    Says what can be used, what cannot and why, whether all photos show one person, what the set is
    made of and what to add. Works with nothing running; nothing is sent anywhere. A caption may lie
    beside its photo as a .txt file.
    """
    from safelight.cli.profiles import read_own
    from safelight.domain.profiles import get_profile
    from safelight.domain.report import exposures_of, report_of
    from safelight.domain.sets import judge_set
    from safelight.flow.commands.subjects import KINDS

    if kind not in KINDS:
        raise Invalid(f"A subject is one of {', '.join(KINDS)}; not {kind!r}.")
    read_own()
    chosen = get_profile(profile)
    paths = photos_in(folder)
    with ExitStack() as stack:
        over = _over(stack, paths, quiet=as_json)
        photos = over(_look, "Looking")
        judged = judge_set(photos, chosen.gates, kind=kind, exposures=exposures_of(chosen))
        report = report_of(judged, photos, chosen)
        if html is not None:
            thumbnails = {id: uri for id, uri in over(_thumbnail, "Thumbnails") if uri}
            _write(html, report, thumbnails, title=folder.resolve().name)
    if as_json:
        say_json(report)
    else:
        _show(report, html)
    if strict and judged.verdict.value == "block":
        raise typer.Exit(1)


def _over(
    stack: ExitStack, paths: Sequence[Path], *, quiet: bool
) -> Callable[[Callable[[GuardedEye, Path], T], str], list[T]]:
    """Does something with every path, as many at once as there are cores, each in its own process."""
    from rich.progress import track

    from safelight import config
    from safelight.vision.guard import GuardedEye

    count = min(config.cores(), len(paths))
    eyes: SimpleQueue[GuardedEye] = SimpleQueue()
    for _ in range(count):
        eyes.put(stack.enter_context(GuardedEye(models=config.models_folder())))
    pool = stack.enter_context(ThreadPoolExecutor(count))

    def over(work: Callable[[GuardedEye, Path], T], says: str) -> list[T]:
        def one(path: Path) -> T:
            eye = eyes.get()
            try:
                return work(eye, path)
            finally:
                eyes.put(eye)

        done = pool.map(one, paths)
        return list(track(done, says, total=len(paths), console=err, disable=quiet, transient=True))

    return over


def _look(eye: GuardedEye, path: Path) -> PhotoForSet:
    from safelight.domain.members import PhotoForSet

    # In a folder a name is one file, so it is also the photo's id.
    return PhotoForSet(path.name, path.name, eye.inspect(path, path.name).facts)


def _thumbnail(eye: GuardedEye, path: Path) -> tuple[str, str | None]:
    from safelight.domain.photos import Undecodable

    with tempfile.TemporaryDirectory() as work:
        target = Path(work) / "thumbnail.jpg"
        try:
            eye.derive(path, target, THUMBNAIL)
        except Undecodable:
            return path.name, None
        data = base64.b64encode(target.read_bytes()).decode("ascii")
    return path.name, f"data:image/jpeg;base64,{data}"


def _write(target: Path, report: dict[str, Any], thumbnails: dict[str, str], *, title: str) -> None:
    from importlib.metadata import version

    from safelight.domain.page import page

    by = ", ".join([f"Safelight {version('safelight')}", report["judge"], *report["analyser"]])
    try:
        target.write_text(page(report, thumbnails, title=title, made=by), "utf-8")
    except OSError as error:
        raise Invalid(f"The page cannot be written to {target}: {error.strerror}.") from error


def _show(report: dict[str, Any], html: Path | None) -> None:
    from safelight.domain.findings import Finding, Level

    colours = {"ok": "green", "warn": "yellow", "block": "red"}
    counts = report["counts"]
    colour = colours[report["verdict"]]
    out.print(
        f"[{colour}]{report['verdict']}[/] {counts['kept']} of {counts['given']} photos are used "
        f"({counts['rejected']} cannot be, {counts['duplicates']} duplicates, "
        f"{counts['not_chosen']} not chosen) by {report['profile']}",
        highlight=False,
    )
    marks = {
        Level.BLOCK: "[red]block[/]",
        Level.WARN: "[yellow]warn[/] ",
        Level.NOTE: "[dim]note[/] ",
    }
    for data in sorted(report["findings"], key=lambda item: item["photo"] is None):
        finding = Finding.from_dict(data)
        trust = "" if finding.trust == "measured" else f" [dim]({finding.trust})[/]"
        message = finding.message.replace("[", "\\[")
        out.print(f"  {marks[finding.level]} {message}{trust}", highlight=False)
    rows = report["composition"]["after"]["framing"]
    mix = ", ".join(f"{row['count']} {name}" for name, row in rows.items() if row["count"])
    if mix:
        out.print(f"Made of: {mix}", highlight=False)
    for wanted in report["to_add"]:
        out.print(f"Add {wanted}", highlight=False)
    if html is not None:
        out.print(f"Page: {html}", highlight=False, soft_wrap=True)
