"""LoRA files by their tensors' names: which belong together, what layer they change, what that weighs.

FLUX.1-dev is known by its layers' shapes in the two ways its modules are cut: as diffusers has them
(494, each attention projection by itself) and as Black Forest Labs has them (304, query, key and
value in one), which is what kohya's sd-scripts trains. A file of another model is still read: its
pairs must agree with themselves.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from safelight.domain.trainer_inputs import modules

_HALVES = (
    # (naming, end of A, end of B)
    ("peft", ".lora_A.weight", ".lora_B.weight"),
    ("peft", ".lora_A.default.weight", ".lora_B.default.weight"),
    ("kohya", ".lora_down.weight", ".lora_up.weight"),
    ("diffusers", ".lora.down.weight", ".lora.up.weight"),
)
_ALPHA = ".alpha"
_PREFIX = re.compile(
    r"^(base_model_model_)?(transformer|diffusion_model|lora_unet|lora_transformer)_"
)
_BLOCK = re.compile(r"^(.*?)_(\d{1,3})_(.+)$")

BYTES: Mapping[str, int] = MappingProxyType(
    {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1}
)
"""Bytes a value, by safetensors' names of the floating types."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The two tensors that change one module: its weight gains B × A."""

    module: str
    naming: str
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Layer:
    """One module as a file changes it: features in and out, rank, and how large each half is."""

    module: str
    rank: int
    inside: int
    outside: int
    norm_a: float
    norm_b: float
    """Frobenius norms. B starts at zero: a B that is still zero has learnt nothing."""

    @property
    def learnt(self) -> float:
        """The root mean square of B's values: how far it came from zero, whatever its shape."""
        return self.norm_b / math.sqrt(max(1, self.rank * self.outside))


def pair_up(names: Iterable[str]) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """The pairs in *names*, by module, and the names that belong to none (alphas belong)."""
    there = set(names)
    pairs, used = [], set()
    for name in sorted(there):
        for naming, end_a, end_b in _HALVES:
            if name.endswith(end_a):
                module = name.removesuffix(end_a)
                used.add(name)
                if module + end_b in there:
                    pairs.append(Pair(module, naming, name, module + end_b))
                    used |= {module + end_b, module + _ALPHA}
                else:
                    used.discard(name)
    return tuple(pairs), tuple(sorted(there - used))


def canonical(module: str) -> str:
    """*module* without prefix and with underscores: the same in PEFT and in kohya's naming."""
    return _PREFIX.sub("", module.replace(".", "_"))


_BFL_SINGLE: Mapping[str, tuple[int, int]] = {
    "linear1": (3072, 21504),
    "linear2": (15360, 3072),
    "modulation_lin": (3072, 9216),
}
_BFL_DOUBLE: Mapping[str, tuple[int, int]] = {
    "attn_qkv": (3072, 9216),
    "attn_proj": (3072, 3072),
    "mlp_0": (3072, 12288),
    "mlp_2": (12288, 3072),
    "mod_lin": (3072, 18432),
}


@lru_cache(maxsize=1)
def flux_shapes() -> Mapping[str, tuple[int, int]]:
    """Every module of FLUX.1-dev that a LoRA changes, by `canonical` name → (in, out) features."""
    ours = {canonical(name): shape for name, shape in modules().items()}
    single = {
        f"single_blocks_{block}_{part}": shape
        for block in range(38)
        for part, shape in _BFL_SINGLE.items()
    }
    double = {
        f"double_blocks_{block}_{stream}_{part}": shape
        for block in range(19)
        for stream in ("img", "txt")
        for part, shape in _BFL_DOUBLE.items()
    }
    return MappingProxyType({**ours, **single, **double})


def is_flux(names: Iterable[str]) -> bool:
    """Whether most of the modules are FLUX's."""
    known = flux_shapes()
    found = Counter(canonical(name) in known for name in names)
    return found[True] > found[False]


def block_of(module: str) -> tuple[str, int, str]:
    """(kind of block, its number, part of it); a module outside of any block is number 0 of itself."""
    found = _BLOCK.match(canonical(module))
    return (found[1], int(found[2]), found[3]) if found else (canonical(module), 0, "")


def main_rank(layers: Iterable[Layer]) -> int:
    """The rank most layers have; 0 where there is none."""
    ranks = Counter(layer.rank for layer in layers)
    return ranks.most_common(1)[0][0] if ranks else 0


def by_block(layers: Iterable[Layer]) -> dict[str, dict[str, list[float | None]]]:
    """What each layer learnt (`Layer.learnt`, four digits): kind of block → part → block by block.

    None: the file has no such layer. Small enough to keep with every version.
    """
    there = _grouped(layers)
    found: dict[str, dict[str, list[float | None]]] = {}
    for (kind, part), row in sorted(there.items()):
        values = (row.get(number) for number in range(max(row) + 1))
        found.setdefault(kind, {})[part] = [
            None if value is None or not math.isfinite(value) else float(f"{value:.3e}")
            for value in values
        ]
    return found


def _grouped(layers: Iterable[Layer]) -> dict[tuple[str, str], dict[int, float]]:
    there: dict[tuple[str, str], dict[int, float]] = {}
    for layer in layers:
        kind, number, part = block_of(layer.module)
        there.setdefault((kind, part), {})[number] = layer.learnt
    return there


_SHADES = "▁▂▃▄▅▆▇█"


def picture(layers: Iterable[Layer]) -> list[tuple[str, str, str]]:
    """(kind of block, part, one sign a block in order) for every kind and part: how much each learnt.

    ▁ to █: what `learnt` is against the largest in the file; ``0`` dead, ``!`` not a number, a dot
    where the file has no such layer.
    """
    there = _grouped(layers)
    finite = [n for row in there.values() for n in row.values() if math.isfinite(n)]
    top = max(finite, default=0.0) or 1.0
    blocks: Counter[str] = Counter()
    for (kind, _), row in there.items():
        blocks[kind] = max(blocks[kind], max(row) + 1)
    return [
        (kind, part, "".join(_sign(row.get(number), top) for number in range(blocks[kind])))
        for (kind, part), row in sorted(there.items())
    ]


def _sign(learnt: float | None, top: float) -> str:
    if learnt is None:
        return "·"
    if learnt == 0:
        return "0"
    if not math.isfinite(learnt):
        return "!"
    return _SHADES[min(len(_SHADES) - 1, int(learnt / top * len(_SHADES)))]
