"""LoRA files and trainer's archives in known conditions."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml
from safetensors.numpy import save_file

from safelight.domain.trainer_inputs import modules

FEW = tuple(f"transformer.single_transformer_blocks.{block}.proj_out" for block in (7, 12))


def write_lora(path: Path, *, rank: int = 4, names: Sequence[str] = FEW) -> Path:
    """A LoRA of *rank* over the modules *names*, in fp16."""
    random = np.random.default_rng(7)
    tensors = {}
    for name in names:
        inside, outside = modules()[name]
        tensors[f"{name}.lora_A.weight"] = random.normal(size=(rank, inside)).astype(np.float16)
        tensors[f"{name}.lora_B.weight"] = random.normal(size=(outside, rank)).astype(np.float16)
    save_file(tensors, path)
    return path


def write_archive(
    path: Path,
    lora: Path,
    *,
    only: Sequence[str] | None = FEW,
    config: bool | bytes = True,
    copies: int = 1,
    extra: Sequence[str] = (),
) -> Path:
    """The trainer's tar around *lora*, with the config.yaml it writes, or the one given."""
    folder = "output/flux_train_replicate"
    network: dict[str, object] = {"type": "lora", "linear": 4, "linear_alpha": 4}
    if only is not None:
        network["network_kwargs"] = {"only_if_contains": list(only)}
    text = yaml.safe_dump({"job": "custom_job", "config": {"process": [{"network": network}]}})
    with tarfile.open(path, "w") as tar:
        for number in range(copies):
            tar.add(lora, f"{folder}/lora{number or ''}.safetensors")
        if config:
            own = config if isinstance(config, bytes) else text.encode()
            _add(tar, f"{folder}/config.yaml", own)
        for name in extra:
            _add(tar, name, b"outside")
    return path


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
