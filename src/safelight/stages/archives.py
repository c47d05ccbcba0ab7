"""The trainer's archive: a tar with the weights, its own config and the captions in it."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from safelight.domain.errors import BadArchive

MAX_CONFIG_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What the trainer's archive held: the weights file, the parameters really used, and how many
    captions: one for every photo that was trained on."""

    weights: Path
    effective: dict[str, Any] | None
    captions: int = 0


def unpack(archive: Path, folder: Path) -> Unpacked:
    """Take the weights and the config out of the trainer's tar, member by member.

    No member is extracted by its name, so an archive cannot write outside of *folder*.

    Raises:
        BadArchive: not a tar, or not exactly one .safetensors in it.
    """
    target = folder / "lora.safetensors"
    found, captions, effective = 0, 0, None
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                if member.name.endswith(".safetensors"):
                    found += 1
                    source = tar.extractfile(member)
                    assert source is not None  # a regular file has bytes
                    with source, target.open("wb") as file:
                        while chunk := source.read(1024 * 1024):
                            file.write(chunk)
                elif PurePosixPath(member.name).parent.name == "captions":
                    captions += member.name.endswith(".txt")
                elif Path(member.name).name == "config.yaml" and member.size <= MAX_CONFIG_BYTES:
                    source = tar.extractfile(member)
                    assert source is not None
                    with source:
                        effective = _config(source.read())
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BadArchive(f"The trainer's archive cannot be read: {error}.") from error
    if found != 1:
        raise BadArchive(f"The trainer's archive holds {found} .safetensors files, not one.")
    return Unpacked(target, effective, captions)


def _config(text: bytes) -> dict[str, Any] | None:
    """`config.process[0]` of ai-toolkit's config: the parameters as the trainer had them."""
    try:
        process = yaml.safe_load(text)["config"]["process"][0]
    except (yaml.YAMLError, KeyError, IndexError, TypeError):
        return None
    return process if isinstance(process, dict) else None
