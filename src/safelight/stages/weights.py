"""Weights: what a LoRA file holds, read from the file itself, and whether that is what was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safelight.domain.errors import BadArchive, Invalid
from safelight.domain.lora import (
    BYTES,
    Layer,
    Pair,
    canonical,
    flux_shapes,
    is_flux,
    main_rank,
    pair_up,
)
from safelight.domain.trainer_inputs import expected_bytes, matching_modules, modules
from safelight.stages.archives import Unpacked, unpack
from safelight.stages.tensors import FileFacts, TensorFacts, read
from safelight.stages.trainer_config import trained_only

__all__ = ["Unpacked", "WeightsFacts", "check", "expected_modules", "inspect", "unpack", "verify"]

TOLERANCE = 0.02
"""Size by formula, within 2 % (R-120, K15)."""
NAMED = 3
"""So many tensors of a kind of fault are named; the rest are counted."""


@dataclass(frozen=True, slots=True)
class WeightsFacts:
    """What a LoRA file holds.

    Size in bytes, sha256 hex, tensors, the rank the shapes show, the modules trained; its naming
    (peft, kohya, diffusers), the types of its values, its layers with their norms, and what is wrong
    with it whatever was asked for.
    """

    bytes: int
    sha256: str
    tensors: int
    rank: int
    modules: tuple[str, ...]
    naming: str = "peft"
    dtypes: tuple[str, ...] = ("F16",)
    layers: tuple[Layer, ...] = ()
    flux: bool = True
    problems: tuple[str, ...] = ()


def inspect(path: Path) -> WeightsFacts:
    """Read a LoRA once and say what it holds and what is wrong with it.

    Raises:
        BadArchive: it is not safetensors, is cut short, or has no LoRA pair.
    """
    file = read(path)
    tensors = {tensor.name: tensor for tensor in file.tensors}
    pairs, strangers = pair_up(tensors)
    if not pairs:
        raise BadArchive(f"The weights hold {len(tensors)} tensors and no LoRA pair among them.")
    layers = tuple(_layer(pair, tensors) for pair in pairs)
    names = tuple(sorted(layer.module for layer in layers))
    flux = is_flux(names)
    halves = [tensors[name] for pair in pairs for name in (pair.a, pair.b)]
    return WeightsFacts(
        bytes=file.bytes,
        sha256=file.sha256,
        tensors=len(tensors),
        rank=main_rank(layers),
        modules=names,
        naming="+".join(sorted({pair.naming for pair in pairs})),
        dtypes=tuple(sorted({tensor.dtype for tensor in halves})),
        layers=layers,
        flux=flux,
        problems=(
            *_strange(strangers),
            *_wrong_shapes(pairs, tensors, layers, flux=flux),
            *_wrong_rank_in_header(file, layers),
            *_wrong_values(halves, layers),
        ),
    )


def _layer(pair: Pair, tensors: Mapping[str, TensorFacts]) -> Layer:
    a, b = tensors[pair.a], tensors[pair.b]
    return Layer(
        module=pair.module,
        rank=a.shape[0] if a.shape else 0,
        inside=a.shape[1] if len(a.shape) > 1 else 0,
        outside=b.shape[0] if b.shape else 0,
        norm_a=a.norm,
        norm_b=b.norm,
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _strange(strangers: Sequence[str]) -> list[str]:
    if not strangers:
        return []
    return [f"{len(strangers)} tensors belong to no LoRA pair: {_some(strangers)}."]


def _wrong_shapes(
    pairs: Sequence[Pair],
    tensors: Mapping[str, TensorFacts],
    layers: Sequence[Layer],
    *,
    flux: bool,
) -> list[str]:
    found = []
    apart = [
        f"{pair.module} (A {list(tensors[pair.a].shape)}, B {list(tensors[pair.b].shape)})"
        for pair in pairs
        if not _agree(tensors[pair.a].shape, tensors[pair.b].shape)
    ]
    if apart:
        found.append(f"The halves of {len(apart)} layers do not fit each other: {_some(apart)}.")
    ranks = Counter(layer.rank for layer in layers)
    if len(ranks) > 1:
        shown = ", ".join(f"{rank} in {count} layers" for rank, count in sorted(ranks.items()))
        found.append(f"The weights mix ranks: {shown}.")
    if flux:
        known = flux_shapes()
        off = [
            f"{layer.module} ({layer.inside} to {layer.outside})"
            for layer in layers
            if (shape := known.get(canonical(layer.module)))
            and shape != (layer.inside, layer.outside)
        ]
        if off:
            found.append(f"{len(off)} layers have not the shape of FLUX.1-dev's: {_some(off)}.")
    return found


def _agree(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return len(a) == len(b) >= 2 and a[0] == b[1] > 0


def _wrong_rank_in_header(file: FileFacts, layers: Sequence[Layer]) -> list[str]:
    """kohya writes the rank it was asked for into the header."""
    said = file.metadata.get("ss_network_dim", "")
    rank = main_rank(layers)
    if said.isascii() and said.isdigit() and int(said) != rank:
        return [f"The header says rank {said} (ss_network_dim) and the shapes show rank {rank}."]
    return []


def _wrong_values(halves: Sequence[TensorFacts], layers: Sequence[Layer]) -> list[str]:
    found = []
    odd_types = sorted({tensor.dtype for tensor in halves} - BYTES.keys())
    if odd_types:
        found.append(f"Weights are numbers with a fraction; these are {', '.join(odd_types)}.")
    odd = [tensor for tensor in halves if tensor.not_finite]
    if odd:
        found.append(
            f"{sum(t.not_finite for t in odd):,} values in {len(odd)} of {len(halves)} tensors are "
            f"NaN or infinite: {_some([t.name for t in odd])}."
        )
    dead = [layer.module for layer in layers if layer.norm_b == 0]
    if len(dead) == len(layers):
        found.append(
            f"The weights are dead: B is zero in all {len(layers)} layers, as before the first step."
        )
    elif dead:
        found.append(f"B is zero in {len(dead)} of {len(layers)} layers: {_some(dead)}.")
    return found


def expected_modules(
    effective: Mapping[str, Any] | None, asked: str | None = None
) -> tuple[str, ...]:
    """The modules the trainer should have trained: all 494, or those its config restricts it to.

    *asked*: the `layers_to_optimize_regex` that was sent, which is believed where the config cannot be
    read or does not tell.
    """
    only = trained_only(effective)
    if only is None:
        try:
            return matching_modules(asked)
        except Invalid:  # nothing that the trainer could have kept to
            return tuple(modules())
    if not only:
        return tuple(modules())
    return tuple(name for name in modules() if any(part in name for part in only))


def check(facts: WeightsFacts, rank: int | None = None) -> tuple[str, ...]:
    """What is wrong with any LoRA file, and whether it has *rank*, where one is given (R-120, K15)."""
    if rank is None:
        return facts.problems
    found = []
    if facts.rank != rank:
        found.append(f"Rank {rank} was asked for and the weights have rank {facts.rank}.")
    known = flux_shapes()
    shapes = [
        known.get(canonical(layer.module), (layer.inside, layer.outside)) for layer in facts.layers
    ]
    width = max((BYTES.get(dtype, 0) for dtype in facts.dtypes), default=0)
    wanted = width * rank * sum(map(sum, shapes))
    found += _wrong_size(facts, rank, len(shapes), wanted)
    return (*found, *facts.problems)


def _wrong_size(facts: WeightsFacts, rank: int, layers: int, wanted: int) -> list[str]:
    # A small file is mostly header, so a quarter of a megabyte is let pass.
    if abs(facts.bytes - wanted) <= max(TOLERANCE * wanted, 256 * 1024):
        return []
    return [
        (
            f"Rank {rank} over {layers} modules takes {wanted:,} bytes and the weights have "
            f"{facts.bytes:,}: over 2 % off."
        )
    ]


def verify(
    facts: WeightsFacts,
    *,
    rank: int,
    effective: Mapping[str, Any] | None,
    asked: str | None = None,
) -> None:
    """Raise BadArchive, with all that is wrong, unless the file is what the trainer was asked for.

    *effective* and *asked* as `expected_modules` has them.
    """
    found = []
    if facts.rank != rank:
        found.append(f"Rank {rank} was asked for and the weights have rank {facts.rank}.")
    expected = expected_modules(effective, asked)
    if missing := sorted(set(expected) - set(facts.modules)):
        found.append(
            f"{len(expected)} modules should have been trained and the weights hold "
            f"{len(facts.modules)}; missing: {_some(missing)}."
        )
    elif extra := sorted(set(facts.modules) - set(expected)):
        found.append(
            f"{len(expected)} modules should have been trained and the weights hold "
            f"{len(facts.modules)}; not asked for: {_some(extra)}."
        )
    found += _wrong_size(facts, rank, len(expected), expected_bytes(rank, expected))
    found += facts.problems
    if found:
        raise BadArchive(" ".join(found))
