"""The trainer's input zip and its output tar: photos in, `trained_model.tar` out."""

from __future__ import annotations

import io
import json
import math
import random
import re
import struct
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from safelight.domain.trainer_inputs import modules
from safelight.local.emulator.course import diverges

SUBSET = r"single_transformer_blocks\.(7|12|16|20)\.proj_out$"
"""What `--layers subset` trains, exactly as if it had been asked for as layers_to_optimize_regex."""
TRAINED = {".jpg", ".jpeg", ".png", ".webp"}
MAX_ENTRY_BYTES = 64 * 1024 * 1024
FOLDER = "output/flux_train_replicate"


class TrainerError(Exception):
    """What the trainer's own exception would say."""


def unzip(data: bytes, folder: Path) -> tuple[int, list[Path], dict[str, str]]:
    """Keep the photos of the input zip; returns entries, photos and captions by file name."""
    try:
        zipped = zipfile.ZipFile(io.BytesIO(data))
    except zipfile.BadZipFile:
        raise TrainerError("input_images must be a zip file") from None
    folder.mkdir(parents=True, exist_ok=True)
    photos: list[Path] = []
    captions: dict[str, str] = {}
    entries = 0
    with zipped:
        for entry in zipped.infolist():
            if entry.filename.startswith(("__MACOSX/", "._")):
                continue
            entries += 1
            name = PurePosixPath(entry.filename)
            if entry.is_dir() or entry.file_size > MAX_ENTRY_BYTES:
                continue
            if name.suffix.lower() in TRAINED:
                path = folder / f"{len(photos):04d}{name.suffix.lower()}"
                path.write_bytes(zipped.read(entry))
                photos.append(path)
            elif name.suffix == ".txt" and len(name.parts) == 1:
                captions[name.name] = zipped.read(entry).decode("utf-8", "replace")
    if not photos:
        raise TrainerError("no images found in input_images")
    return entries, photos, captions


def trained_modules(input: dict[str, Any], layers: str) -> tuple[tuple[str, ...], bool]:
    """The modules that are trained, and whether the config restricts them."""
    regex = input.get("layers_to_optimize_regex") or (SUBSET if layers == "subset" else None)
    return tuple(n for n in modules() if re.search(regex or "", n)), regex is not None


def write_tar(
    path: Path, input: dict[str, Any], captions: dict[str, str], layers: str, seed: str
) -> None:
    """`trained_model.tar` as the trainer makes it."""
    names, restricted = trained_modules(input, layers)
    rank = int(input.get("lora_rank", 16))
    path.parent.mkdir(parents=True, exist_ok=True)
    lora = path.with_suffix(".lora")
    _write_lora(lora, names, rank, input, seed)
    config = yaml.safe_dump(_config(input, names if restricted else None), sort_keys=False)
    # A second try after a kill must not rewrite what is being downloaded.
    part = path.with_suffix(".part")
    with tarfile.open(part, "w") as tar:
        _add(tar, f"{FOLDER}/config.yaml", config.encode())
        tar.add(lora, f"{FOLDER}/lora.safetensors")
        for name, text in sorted(captions.items()):
            _add(tar, f"{FOLDER}/captions/{name}", text.encode())
    lora.unlink()
    part.replace(path)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _write_lora(
    path: Path, names: Sequence[str], rank: int, input: dict[str, Any], seed: str
) -> None:
    """A safetensors file, streamed: real names, shapes and header; values out of one random block,
    small as trained ones are, so that all 494 modules cost seconds and little memory."""
    chance = random.Random(seed)  # noqa: S311
    spread = math.nan if diverges(input) else 0.02
    block = struct.pack("<65536e", *(chance.gauss(0, spread) for _ in range(65536)))
    shapes: list[tuple[str, list[int]]] = []
    for name in names:
        inside, outside = modules()[name]
        shapes.append((f"{name}.lora_A.weight", [rank, inside]))
        shapes.append((f"{name}.lora_B.weight", [outside, rank]))
    header: dict[str, Any] = {"__metadata__": _metadata(input)}
    offset = 0
    for tensor, shape in shapes:
        size = 2 * shape[0] * shape[1]
        header[tensor] = {"dtype": "F16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, shape in shapes:
            left = 2 * shape[0] * shape[1]
            start = 2 * chance.randrange(32768)
            while left > 0:
                piece = block[start : start + left]
                file.write(piece)
                left -= len(piece)
                start = 0


def _metadata(input: dict[str, Any]) -> dict[str, str]:
    trigger = input.get("trigger_word", "TOK")
    found = {
        "name": "flux_train_replicate",
        "version": "1.0",
        "training_info": json.dumps({"step": int(input.get("steps", 1000)), "epoch": 0}),
        "ss_base_model_version": "sd_1.5",
        "ss_output_name": "flux_train_replicate",
        "software": json.dumps(
            {
                "name": "ai-toolkit",
                "repo": "https://github.com/ostris/ai-toolkit",
                "version": "0.1.0",
            }
        ),
        "format": "pt",
    }
    if trigger:
        found["ss_tag_frequency"] = json.dumps({f"1_{trigger}": {trigger: 1}})
    return found


def _config(input: dict[str, Any], only: Sequence[str] | None) -> dict[str, Any]:
    """`config.yaml`: the parameters as the trainer really used them. What it does not take is not
    in it, whatever the request said."""
    rank = int(input.get("lora_rank", 16))
    steps = int(input.get("steps", 1000))
    network: dict[str, Any] = {"type": "lora", "linear": rank, "linear_alpha": rank}
    if only is not None:
        network["network_kwargs"] = {"only_if_contains": list(only)}
    process: dict[str, Any] = {
        "type": "custom_sd_trainer",
        "training_folder": "output",
        "device": "cuda:0",
        "network": network,
        "save": {"dtype": "float16", "save_every": steps + 1, "max_step_saves_to_keep": 1},
        "datasets": [
            {
                "folder_path": "input_images",
                "caption_ext": "txt",
                "caption_dropout_rate": float(input.get("caption_dropout_rate", 0.05)),
                "shuffle_tokens": False,
                "cache_latents_to_disk": bool(input.get("cache_latents_to_disk", False)),
                "cache_latents": True,
                "resolution": [
                    int(s) for s in str(input.get("resolution", "512,768,1024")).split(",")
                ],
            }
        ],
        "train": {
            "batch_size": int(input.get("batch_size", 1)),
            "steps": steps,
            "gradient_accumulation_steps": 1,
            "train_unet": True,
            "train_text_encoder": False,
            "content_or_style": "balanced",
            "gradient_checkpointing": bool(input.get("gradient_checkpointing", False)),
            "noise_scheduler": "flowmatch",
            "optimizer": input.get("optimizer", "adamw8bit"),
            "lr": float(input.get("learning_rate", 4e-4)),
            "ema_config": {"use_ema": True, "ema_decay": 0.99},
            "dtype": "bf16",
        },
        "model": {"name_or_path": "FLUX.1-dev", "is_flux": True, "quantize": False},
    }
    if trigger := input.get("trigger_word", "TOK"):
        process["trigger_word"] = trigger
    return {
        "job": "custom_job",
        "config": {"name": "flux_train_replicate", "process": [process]},
        "meta": {"name": "[name]", "version": "1.0"},
    }
