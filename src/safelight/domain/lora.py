"""The layers of a LoRA: rank, strength, how much each has learnt, and a picture of that."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from safelight.domain.architectures import canonical

_BLOCK = re.compile(r"^(.*?)_(\d{1,3})_(.+)$")

BYTES: Mapping[str, int] = MappingProxyType(
    {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1}
)
"""Bytes a value, by safetensors' names of the floating types."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One module as a file changes it: features in and out, rank, how large each half is, and what the
    file says of its strength."""

    module: str
    rank: int
    inside: int
    outside: int
    norm_a: float
    norm_b: float
    """Frobenius norms. B starts at zero: a B that is still zero has learnt nothing."""
    alpha: float | None = None
    """None: the file has none for this module, and it is drawn at full strength."""
    numbers: int = 0
    """How many numbers its halves hold."""

    @property
    def learnt(self) -> float:
        """The root mean square of B's values: how far it came from zero, whatever its shape."""
        return self.norm_b / math.sqrt(max(1, self.rank * self.outside))

    @property
    def strength(self) -> float:
        """What B × A is multiplied with when it is drawn: alpha over the rank."""
        return 1.0 if self.alpha is None or not self.rank else self.alpha / self.rank


def block_of(module: str) -> tuple[str, int, str]:
    """(kind of block, its number, part of it); a module outside of any block is number 0 of itself."""
    found = _BLOCK.match(canonical(module))
    return (found[1], int(found[2]), found[3]) if found else (canonical(module), 0, "")


def main_rank(layers: Iterable[Layer]) -> int:
    """The rank most layers have; 0 where there is none."""
    found = Counter(layer.rank for layer in layers)
    return found.most_common(1)[0][0] if found else 0


def ranks(layers: Iterable[Layer]) -> dict[int, int]:
    """How many layers have each rank, the smallest rank first."""
    return dict(sorted(Counter(layer.rank for layer in layers).items()))


def strengths(layers: Iterable[Layer]) -> dict[float, int]:
    """How many layers are drawn at each strength, to four digits, the weakest first. A strength that is
    no number is left out."""
    found = (layer.strength for layer in layers)
    return dict(sorted(Counter(float(f"{n:.4g}") for n in found if math.isfinite(n)).items()))


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


def picture(layers: Iterable[Layer]) -> Iterator[tuple[str, str, str]]:
    """(kind of block, part, one sign a block in order) for every kind and part: how much each learnt.

    ▁ to █: what `learnt` is against the largest in the file; ``0`` dead, ``!`` not a number, a dot
    where the file has no such layer. A row is made when it is asked for: their number is the file's.
    """
    there = _grouped(layers)
    finite = [n for row in there.values() for n in row.values() if math.isfinite(n)]
    top = max(finite, default=0.0) or 1.0
    blocks: Counter[str] = Counter()
    for (kind, _), row in there.items():
        blocks[kind] = max(blocks[kind], max(row) + 1)
    for (kind, part), row in sorted(there.items()):
        yield kind, part, "".join(_sign(row.get(number), top) for number in range(blocks[kind]))


def _sign(learnt: float | None, top: float) -> str:
    if learnt is None:
        return "·"
    if learnt == 0:
        return "0"
    if not math.isfinite(learnt):
        return "!"
    return _SHADES[min(len(_SHADES) - 1, int(learnt / top * len(_SHADES)))]
