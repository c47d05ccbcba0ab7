"""LoRA files as other trainers and savers write them: names, shapes, alphas, headers."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from safelight.domain.architectures import flux_shapes
from safelight.domain.trainer_inputs import modules

Tensors = dict[str, np.ndarray | tuple[str, list[int], bytes]]
"""Name → array, or (type, shape, bytes) for what numpy has no type for."""

PEFT = (".lora_A.weight", ".lora_B.weight")
KOHYA = (".lora_down.weight", ".lora_up.weight")
_TYPES = {"float16": "F16", "float32": "F32", "float64": "F64", "int64": "I64", "int16": "I16"}
_SOME = np.random.default_rng(11).normal(0, 0.02, 4099).astype(np.float16)


def write(path: Path, tensors: Tensors, **notes: str) -> Path:
    """A safetensors file of *tensors*, *notes* in its header."""
    header: dict[str, object] = {"__metadata__": notes} if notes else {}
    place, parts = 0, []
    for name, given in tensors.items():
        if isinstance(given, np.ndarray):
            dtype, shape, data = _TYPES[given.dtype.name], list(given.shape), given.tobytes()
        else:
            dtype, shape, data = given
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + len(data)]}
        place += len(data)
        parts.append(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))
    return path


def numbers(*shape: int) -> np.ndarray:
    """Small ones, as trained ones are."""
    return np.resize(_SOME, shape)


def pair(module: str, shape: tuple[int, int], rank: int, ends: tuple[str, str] = PEFT) -> Tensors:
    """The two halves of a module."""
    inside, outside = shape
    return {module + ends[0]: numbers(rank, inside), module + ends[1]: numbers(outside, rank)}


def pairs(
    shapes: Mapping[str, tuple[int, int]],
    rank: int = 1,
    ends: tuple[str, str] = PEFT,
    alpha: object = None,
) -> Tensors:
    """The halves of every module, and an alpha each where one is given."""
    found: Tensors = {}
    for module, shape in shapes.items():
        found |= pair(module, shape, rank, ends)
        if alpha is not None:
            found[f"{module}.alpha"] = np.array(alpha, np.float16)
    return found


def renamed(
    change: Callable[[str], str], names: Iterable[str] | None = None
) -> dict[str, tuple[int, int]]:
    """FLUX.1-dev's modules as diffusers cuts them, under other names; *names*: only these."""
    shapes = modules()
    return {change(name.removeprefix("transformer.")): shapes[name] for name in names or shapes}


def bfl(change: Callable[[str], str] = str) -> dict[str, tuple[int, int]]:
    """FLUX.1-dev's 304 modules as Black Forest Labs cut them, with underscores, under other names."""
    shapes = flux_shapes()
    kept = [name for name in shapes if name.startswith(("double_blocks", "single_blocks"))]
    return {change(name): shapes[name] for name in kept}
