"""Weights: what a LoRA file holds, read from the file itself, and whether that is what was asked for."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError, safe_open

from safelight.domain.errors import BadArchive
from safelight.domain.trainer_inputs import expected_bytes, modules

TOLERANCE = 0.02
"""Size by formula, within 2 % (R-120, K15)."""
MAX_CONFIG_BYTES = 1024 * 1024
_A = re.compile(r"\.lora_A\.weight$")


@dataclass(frozen=True, slots=True)
class WeightsFacts:
    """Size in bytes, sha256 hex, tensors, the rank the shapes show, the modules trained."""

    bytes: int
    sha256: str
    tensors: int
    rank: int
    modules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What the trainer's archive held: the weights file, and the parameters really used."""

    weights: Path
    effective: dict[str, Any] | None


def unpack(archive: Path, folder: Path) -> Unpacked:
    """Take the weights and the config out of the trainer's tar, member by member.

    No member is extracted by its name, so an archive cannot write outside of *folder*.

    Raises:
        BadArchive: not a tar, or not exactly one .safetensors in it.
    """
    target = folder / "lora.safetensors"
    found, effective = 0, None
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
                elif Path(member.name).name == "config.yaml" and member.size <= MAX_CONFIG_BYTES:
                    source = tar.extractfile(member)
                    assert source is not None
                    with source:
                        effective = _config(source.read())
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BadArchive(f"The trainer's archive cannot be read: {error}.") from error
    if found != 1:
        raise BadArchive(f"The trainer's archive holds {found} .safetensors files, not one.")
    return Unpacked(target, effective)


def _config(text: bytes) -> dict[str, Any] | None:
    """`config.process[0]` of ai-toolkit's config: the parameters as the trainer had them."""
    try:
        process = yaml.safe_load(text)["config"]["process"][0]
    except (yaml.YAMLError, KeyError, IndexError, TypeError):
        return None
    return process if isinstance(process, dict) else None


def inspect(path: Path) -> WeightsFacts:
    """Open a LoRA in PEFT naming and say what it holds.

    Raises:
        BadArchive: it is not safetensors, is cut short, or has no LoRA pairs of one rank.
    """
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    size = path.stat().st_size
    try:
        with safe_open(path, framework="numpy") as opened:
            names = list(opened.keys())
            shapes = {name: opened.get_slice(name).get_shape() for name in names}
    except (SafetensorError, OSError, ValueError, struct.error, json.JSONDecodeError) as error:
        raise BadArchive(f"The weights do not open as safetensors: {error}.") from error
    ranks = {shapes[name][0] for name in names if _A.search(name)}
    trained = sorted(_A.sub("", name) for name in names if _A.search(name))
    if not trained:
        raise BadArchive(f"The weights hold {len(names)} tensors and no LoRA pair among them.")
    if len(ranks) != 1:
        raise BadArchive(f"The weights mix ranks: {sorted(ranks)}.")
    for module in trained:
        if f"{module}.lora_B.weight" not in shapes:
            raise BadArchive(f"The weights lack the B half of {module}.")
    return WeightsFacts(size, sha256, len(names), ranks.pop(), tuple(trained))


def expected_modules(effective: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The modules the trainer should have trained: all 494, or those its config restricts it to."""
    network = (effective or {}).get("network") or {}
    only = (network.get("network_kwargs") or {}).get("only_if_contains")
    if not only:
        return tuple(modules())
    return tuple(name for name in modules() if any(str(part) in name for part in only))


def verify(facts: WeightsFacts, *, rank: int, effective: Mapping[str, Any] | None) -> None:
    """Raise BadArchive unless the file is what was asked for: rank, modules and size."""
    if facts.rank != rank:
        raise BadArchive(f"Rank {rank} was asked for and the weights have rank {facts.rank}.")
    expected = expected_modules(effective)
    if len(facts.modules) != len(expected):
        raise BadArchive(
            f"{len(expected)} modules should have been trained and the weights hold "
            f"{len(facts.modules)}."
        )
    wanted = expected_bytes(rank, expected)
    if abs(facts.bytes - wanted) > max(TOLERANCE * wanted, 256 * 1024):
        # A small file is mostly header, so a quarter of a megabyte is let pass.
        raise BadArchive(
            f"Rank {rank} over {len(expected)} modules takes {wanted:,} bytes and the weights have "
            f"{facts.bytes:,}: over 2 % off."
        )
