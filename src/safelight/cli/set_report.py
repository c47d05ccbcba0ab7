"""A set's report on the terminal and as a page, for `inspect` and `dataset`."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safelight import scratch
from safelight.cli.console import out, styled
from safelight.domain.errors import Invalid
from safelight.domain.findings import Finding, Level

if TYPE_CHECKING:
    from safelight.vision.pool import EyePool

SHOWN = 3
"""Notes of one kind on more photos than this are told as one."""
THUMBNAIL = 320
"""Pixels of the longest side of a picture on the page."""
COLOURS = {"ok": "green", "warn": "yellow", "block": "red"}
MARKS = {
    Level.BLOCK: ("block", "red"),
    Level.WARN: ("warn ", "yellow"),
    Level.NOTE: ("note ", "dim"),
}


def thumbnails(eyes: EyePool, files: Mapping[str, Path]) -> dict[str, str]:
    """A small picture of each photo as a data URI, by photo id; none of what cannot be decoded."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(eyes.workers) as threads:
        made = threads.map(lambda path: _thumbnail(eyes, path), files.values())
        return {id: uri for id, uri in zip(files, made, strict=True) if uri}


def _thumbnail(eyes: EyePool, path: Path) -> str | None:
    from safelight.domain.photos import Undecodable

    with scratch.folder() as work:
        target = work / "thumbnail.jpg"
        try:
            eyes.derive(path, target, THUMBNAIL)
        except (Undecodable, OSError):  # the report says which, and why
            return None
        data = base64.b64encode(target.read_bytes()).decode("ascii")
    return f"data:image/jpeg;base64,{data}"


def write_page(
    target: Path, report: Mapping[str, Any], pictures: Mapping[str, str], *, title: str
) -> None:
    """Write the report as one page. Invalid if it cannot be written."""
    from importlib.metadata import version

    from safelight.domain.page import page

    by = ", ".join([f"Safelight {version('safelight')}", report["judge"], *report["analyser"]])
    try:
        target.write_text(page(report, pictures, title=title, made=by), "utf-8")
    except OSError as error:
        raise Invalid(f"The page cannot be written to {target}: {error.strerror}.") from error


def show_report(report: Mapping[str, Any], html: Path | None = None) -> None:
    """Print the report: the verdict, each finding, the mix and what to add."""
    counts, verdict = report["counts"], report["verdict"]
    out.print(
        styled(
            (verdict, COLOURS[verdict]),
            f" {counts['kept']} of {counts['given']} photos are used ({counts['rejected']} cannot be, "
            f"{counts['duplicates']} duplicates, {counts['not_chosen']} not chosen) by "
            f"{report['profile']}, judged as of a {report['kind']}",
        ),
        soft_wrap=True,
    )
    for level, message, trust in _lines([Finding.from_dict(data) for data in report["findings"]]):
        hint = "" if trust == "measured" else f" ({trust})"
        out.print(styled("  ", MARKS[level], f" {message}", (hint, "dim")), soft_wrap=True)
    rows = report["composition"]["after"]["framing"]
    mix = ", ".join(f"{row['count']} {name}" for name, row in rows.items() if row["count"])
    if mix:
        out.print(f"Made of: {mix}")
    for wanted in report["to_add"]:
        out.print(f"Add {wanted}")
    if html is not None:
        out.print(f"Page: {html}", soft_wrap=True)


def _lines(findings: list[Finding]) -> list[tuple[Level, str, str]]:
    """The photos' findings, then the set's; a note that many photos share is told once."""
    same = Counter((item.kind, item.level) for item in findings if item.photo is not None)
    told: set[str] = set()
    lines = []
    for item in sorted(findings, key=lambda item: item.photo is None):
        message = item.message
        count = same[item.kind, item.level]
        if item.level is Level.NOTE and item.photo is not None and count > SHOWN:
            if item.kind in told:
                continue
            told.add(item.kind)
            message = f"{item.kind.replace('-', ' ')} in {count} photos, the first: {message}"
        lines.append((item.level, message, item.trust.value))
    return lines
