"""A folder of photos, read whole before any of it is used: the photos, their captions, what is left aside.

`inspect`, `train` and `demo` read it here. Whatever is not read is named with the reason before the first
photo is sent, so that a caption which another tool saved in its own way is never lost without a word.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from safelight.cli.console import err, styled
from safelight.domain.caption_files import (
    CAPTION_ENDINGS,
    MAX_CAPTION_BYTES,
    decode_caption,
    too_long,
)
from safelight.domain.errors import Invalid
from safelight.domain.findings import shown
from safelight.domain.formats import ENDINGS

MASKS = ("-masklabel", "-condlabel", "_mask")
"""Behind a photo's name: a picture for other trainers, of which part of the photo to learn from."""
MAX_FILES = 50_000
"""Ten times the largest set on record; more is a disk, not a folder of photos."""
SHOWN = 20
"""Files named for one reason; the rest are counted."""
REASONS = 20
"""Reasons told one by one, likewise."""
_SYSTEMS_OWN = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "icon\r"}


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A photo in the folder; *name* as it may be shown and stored, its caption where one lies beside it."""

    path: Path
    name: str
    caption: str | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder holds: the photos by name, and what is left aside, by the reason."""

    photos: Sequence[PhotoFile]
    aside: dict[str, list[str]] = field(default_factory=dict)

    def say_aside(self) -> None:
        """Name what is left aside, on stderr."""
        told = list(self.aside.items())
        for why, names in told[:REASONS]:
            listed = ", ".join(shown(name) for name in names[:SHOWN])
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            err.print(
                styled(("left aside:", "yellow"), f" {listed}{more}: {why.rstrip('.')}."),
                soft_wrap=True,
            )
        if rest := sum(len(names) for _, names in told[REASONS:]):
            err.print(styled(("left aside:", "yellow"), f" {rest} more files, for such reasons."))


def read_folder(folder: Path) -> Folder:
    """The photos of a folder with their captions; hidden files are passed over.

    Raises:
        Invalid: it is no folder, cannot be read, holds no photos or over `MAX_FILES` files.
    """
    files, aside = _listed(folder)
    photos = [path for path in files if path.suffix.lower() in ENDINGS]
    stems = {path.stem for path in photos}
    masks = {path for path in photos if _mask_of(path) in stems}
    photos = [path for path in photos if path not in masks]
    for path in sorted(masks):
        aside["a mask, and no photo of the subject"].append(name_of(path))
    if not photos:
        raise Invalid(f"There are no photos in {folder}.", hint=_where_else(folder))
    captions = [path for path in files if path.suffix.lower() in CAPTION_ENDINGS]
    beside = _beside(photos, captions, aside)
    found = [PhotoFile(path, name_of(path), _caption(beside[path], aside)) for path in photos]
    known = {*ENDINGS, *CAPTION_ENDINGS}
    for path in files:
        if path.suffix.lower() not in known:
            endings = ", ".join(CAPTION_ENDINGS)
            aside[f"neither a photo nor a caption ({endings} beside its photo)"].append(
                name_of(path)
            )
    return Folder(found, dict(aside))


def name_of(path: Path) -> str:
    """A file's name as it may be shown and stored: the system's names are bytes and need be no UTF-8."""
    return os.fsencode(path.name).decode("utf-8", "replace")


Aside = defaultdict[str, list[str]]


def _listed(folder: Path) -> tuple[list[Path], Aside]:
    """The files of the folder by name, and what is no file."""
    aside: Aside = defaultdict(list)
    files = []
    try:
        if not folder.is_dir():
            raise Invalid(
                f"{folder} is not a folder.", hint="Name the folder that holds the photos."
            )
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number == MAX_FILES:
                    raise Invalid(f"{folder} holds over {MAX_FILES:,} files.")
                path = Path(entry.path)
                if entry.name.startswith(".") or entry.name.lower() in _SYSTEMS_OWN:
                    continue
                if why := _no_file(path):
                    aside[why].append(name_of(path))
                else:
                    files.append(path)
    except OSError as error:
        raise Invalid(f"{folder} cannot be read: {error.strerror}.") from error
    for names in aside.values():
        names.sort()
    return sorted(files), aside


def _no_file(path: Path) -> str | None:
    """Why it is none; None: it is one, or a link to one."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if stat.S_ISDIR(mode):
        return "a folder; photos in folders within are not read"
    return None if stat.S_ISREG(mode) else "no file"


def _mask_of(path: Path) -> str | None:
    return next((path.stem.removesuffix(m) for m in MASKS if path.stem.endswith(m)), None)


def _where_else(folder: Path) -> str:
    """What to do about a folder without photos: another, or one of those within."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name)[:200]:
            if entry.is_dir() and any(_photos_within(Path(entry.path))):
                return (
                    f"There are in {shown(name_of(Path(entry.path)))} within it: name that folder."
                )
    return "Photos are files that end in .jpg, .png, .webp or .heic."


def _photos_within(folder: Path) -> Iterator[bool]:
    try:
        with os.scandir(folder) as entries:
            for _, entry in zip(range(1000), entries, strict=False):
                yield Path(entry.name).suffix.lower() in ENDINGS
    except OSError:
        return


def _beside(
    photos: Sequence[Path], captions: Sequence[Path], aside: Aside
) -> defaultdict[Path, list[Path]]:
    """The caption files of each photo, the one that counts first.

    `photo.jpg.txt` is of that photo alone, `photo.txt` of every photo of that name; upper and lower case,
    and the two ways to write an accent, are told apart only where both are there. What names the whole
    photo counts before what does not, and `CAPTION_ENDINGS` are in order.
    """
    places: dict[str, defaultdict[str, list[Path]]] = {
        kind: defaultdict(list) for kind in ("name", "stem", "name folded", "stem folded")
    }
    for path in photos:
        places["name"][path.name].append(path)
        places["stem"][path.stem].append(path)
        places["name folded"][_folded(path.name)].append(path)
        places["stem folded"][_folded(path.stem)].append(path)
    found: defaultdict[Path, list[tuple[int, int, str, Path]]] = defaultdict(list)
    for path in captions:
        ending = CAPTION_ENDINGS.index(path.suffix.lower())
        for rank, (kind, by_name) in enumerate(places.items()):
            name = _folded(path.stem) if kind.endswith("folded") else path.stem
            if name in by_name:
                for photo in by_name[name]:
                    found[photo].append((rank % 2, ending, path.name, path))
                break
        else:
            aside["there is no photo of this name"].append(name_of(path))
    ordered: defaultdict[Path, list[Path]] = defaultdict(list)
    for photo, files in found.items():
        ordered[photo] = [path for *_, path in sorted(files)]
    return ordered


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


_SECOND = (
    "another file captions its photo; a whole name (photo.jpg.txt) counts before a part of it, then "
    f"{' before '.join(CAPTION_ENDINGS)}"
)


def _caption(files: Sequence[Path], aside: Aside) -> str | None:
    """The first caption that can be read; the other files are left aside unless they say the same."""
    taken: str | None = None
    for path in files:
        try:
            text = _read(path)
        except Invalid as error:
            _once(aside[error.message], name_of(path))
            continue
        if not text:
            _once(
                aside["nothing is in it; the photo is captioned by what is measured"], name_of(path)
            )
        elif taken is None:
            taken = text
        elif text != taken:
            aside[_SECOND].append(name_of(path))
    return taken


def _once(names: list[str], name: str) -> None:
    if name not in names:
        names.append(name)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_CAPTION_BYTES:
                raise too_long(size)
            # It may have grown since: one byte past the limit tells.
            return decode_caption(file.read(MAX_CAPTION_BYTES + 1))
    except OSError as error:
        raise Invalid(f"cannot be read ({error.strerror})") from error
