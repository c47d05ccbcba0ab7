"""The trainer's archive: a plain tar with the weights, its own config and the captions in it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import Any

from safelight import scratch
from safelight.domain.errors import BadArchive, Retryable
from safelight.stages import tar, trainer_config
from safelight.stages.tools import Pulse

MAX_ARCHIVE_BYTES = 4 * 1024**3
"""Rank 128 over all layers is 1.4 GB; nothing the trainer makes comes near this."""
UNPACK_SECONDS = 1800.0
"""For all of it: 4 GiB at 2.4 MB/s. A disk that is slower has stopped."""
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What the trainer's archive held: the weights file, the parameters really used (None: its config
    cannot be read, and `config_fault` says why), and how many captions: one for every photo that was
    trained on."""

    weights: Path
    effective: dict[str, Any] | None
    captions: int = 0
    config_fault: str | None = None


def is_archive(path: Path) -> bool:
    """Whether the file at *path* begins as a tar does, by its bytes and not by its name."""
    with scratch.ours(path), path.open("rb") as file:
        return tar.is_tar(file.read(tar.BLOCK))


def unpack(archive: Path, folder: Path, pulse: Pulse | None = None) -> Unpacked:
    """Take the weights and the config out of the trainer's tar, member by member.

    No member is extracted by its name, so an archive cannot write outside of *folder*; what is written
    is one file, of at most `MAX_ARCHIVE_BYTES`.

    Raises:
        BadArchive: no plain tar, or not exactly one .safetensors in it. OwnDisk: no room for it here.
        Retryable: it takes too long.
    """
    with scratch.ours(archive):
        size = archive.stat().st_size
        file = FileIO(archive)
    with file:
        with scratch.ours(archive):
            found = [member for member in tar.members(file, size) if _is_ours(member)]
        weights = [member for member in found if member.name.endswith(".safetensors")]
        if len(weights) != 1:
            raise BadArchive(
                f"The trainer's archive holds {len(weights)} .safetensors files, not one."
            )
        config = _config(file, archive, found, PurePosixPath(weights[0].name).parent)
        target = folder / "lora.safetensors"
        _copy(file, archive, weights[0], target, pulse)
    captions = sum(
        PurePosixPath(member.name).parent.name == "captions" and member.name.endswith(".txt")
        for member in found
    )
    return Unpacked(target, config.process, captions, config.fault)


def _is_ours(member: tar.Member) -> bool:
    """A file, and not one that macOS puts beside each."""
    path = PurePosixPath(member.name)
    return member.file and not path.name.startswith("._") and "__MACOSX" not in path.parts


def _config(
    file: FileIO, archive: Path, found: Sequence[tar.Member], beside: PurePosixPath
) -> trainer_config.Config:
    """The config that lies beside the weights, else the last there is."""
    there = [member for member in found if PurePosixPath(member.name).name == "config.yaml"]
    there.sort(key=lambda member: PurePosixPath(member.name).parent == beside)
    if not there:
        return trainer_config.Config(fault="There is no config.yaml in the archive.")
    with scratch.ours(archive):
        file.seek(there[-1].start)
        # One byte more than is read is enough to say that it is too large.
        text = file.read(min(there[-1].size, trainer_config.MAX_BYTES + 1))
    return trainer_config.read(text or b"")


def _copy(
    file: FileIO, archive: Path, member: tar.Member, target: Path, pulse: Pulse | None
) -> None:
    if member.size > MAX_ARCHIVE_BYTES:
        raise BadArchive(
            f"The weights in the archive have {member.size:,} bytes; at most "
            f"{MAX_ARCHIVE_BYTES:,} are taken."
        )
    ends = time.monotonic() + UNPACK_SECONDS
    with scratch.ours(archive):
        file.seek(member.start)
    with scratch.sink(target, member.size) as copy:
        while copy.written < member.size:
            if pulse is not None:
                pulse.check()
            with scratch.ours(archive):
                chunk = file.read(min(_CHUNK, member.size - copy.written))
            if not chunk:
                raise BadArchive("The trainer's archive is cut short within its weights.")
            copy.write(chunk)
            if time.monotonic() > ends:
                raise Retryable(
                    f"Unpacking was given up at {copy.written:,} of {member.size:,} bytes after "
                    f"{UNPACK_SECONDS / 60:.0f} minutes."
                )
