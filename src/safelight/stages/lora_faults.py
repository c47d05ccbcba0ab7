"""What is wrong with a LoRA file, whoever made it and whatever was asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from safelight.domain.architectures import known_shapes
from safelight.domain.lora import BYTES, Layer, main_rank, ranks
from safelight.domain.lora_names import Names, Pair
from safelight.domain.lora_notes import some, whole
from safelight.domain.texts import shown
from safelight.stages.tensors import TensorFacts

Tensors = Mapping[str, TensorFacts]


def faults_of(
    names: Names,
    tensors: Tensors,
    layers: Mapping[str, Sequence[Layer]],
    header: Mapping[str, str],
    *,
    flux: bool,
) -> tuple[str, ...]:
    """Everything that is wrong, a sentence each. *layers*: by the `canonical` name of what they change;
    of text encoders there are none in it."""
    every = [layer for same in layers.values() for layer in same]
    return (
        *_strange(names.strangers),
        *_apart(names.pairs, tensors),
        *(_wrong_shapes(layers) if flux else ()),
        *_wrong_rank_in_header(header, every),
        *_wrong_alphas(names.pairs, tensors),
        *_wrong_values(names, tensors),
        *_dead(every),
    )


def _strange(strangers: Sequence[str]) -> list[str]:
    if not strangers:
        return []
    return [f"{len(strangers):,} tensors belong to no LoRA pair: {some(strangers)}."]


def _apart(pairs: Sequence[Pair], tensors: Tensors) -> list[str]:
    apart = [
        f"{shown(pair.module, most=120)} (A {list(tensors[pair.a].shape)}, "
        f"B {list(tensors[pair.b].shape)})"
        for pair in pairs
        if not _agree(tensors[pair.a].shape, tensors[pair.b].shape)
    ]
    if not apart:
        return []
    layers = "1 layer" if len(apart) == 1 else f"{len(apart):,} layers"
    return [f"The halves of {layers} do not fit each other: {some(apart)}."]


def _agree(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return len(a) == len(b) >= 2 and a[0] == b[1] > 0


def _wrong_shapes(layers: Mapping[str, Sequence[Layer]]) -> list[str]:
    known = known_shapes()
    off = [
        f"{shown(layer.module, most=120)} ({layer.inside} to {layer.outside})"
        for name, same in layers.items()
        for layer in same
        if (shape := known.get(name)) and shape != (layer.inside, layer.outside)
    ]
    if not off:
        return []
    return [f"{len(off):,} layers have not the shape of FLUX.1-dev's: {some(off)}."]


def _wrong_rank_in_header(header: Mapping[str, str], layers: Sequence[Layer]) -> list[str]:
    """kohya writes the rank it was asked for into the header."""
    said, rank = whole(header.get("ss_network_dim", "")), main_rank(layers)
    if said is not None and len(ranks(layers)) == 1 and said != rank:
        return [f"The header says rank {said} (ss_network_dim) and the shapes show rank {rank}."]
    return []


def _wrong_alphas(pairs: Sequence[Pair], tensors: Tensors) -> list[str]:
    """An alpha multiplies its whole layer: one that is no number spoils it, and zero silences it."""
    found = []
    alphas = {pair.module: tensors[pair.alpha].value for pair in pairs if pair.alpha}
    odd = [name for name, value in alphas.items() if value is None or not math.isfinite(value)]
    if odd:
        found.append(f"Alpha is no single finite number in {len(odd):,} layers: {some(odd)}.")
    if none := [name for name, value in alphas.items() if value == 0]:
        found.append(f"Alpha is 0 in {len(none):,} layers, so they change nothing: {some(none)}.")
    return found


def _wrong_values(names: Names, tensors: Tensors) -> list[str]:
    found = []
    halves = [tensors[name] for pair in names.pairs for name in (pair.a, pair.b)]
    odd_types = sorted({tensor.dtype for tensor in halves} - BYTES.keys())
    if odd_types:
        found.append(f"Weights are numbers with a fraction; these are {some(odd_types)}.")
    alphas = {pair.alpha for pair in names.pairs}
    looked_at = [tensor for name, tensor in tensors.items() if name not in alphas]
    if odd := [tensor for tensor in looked_at if tensor.not_finite]:
        found.append(
            f"{sum(t.not_finite for t in odd):,} values in {len(odd):,} of {len(looked_at):,} tensors "
            f"are NaN or infinite: {some([t.name for t in odd])}."
        )
    return found


def _dead(layers: Sequence[Layer]) -> list[str]:
    dead = [layer.module for layer in layers if layer.norm_b == 0]
    if layers and len(dead) == len(layers):
        return [
            f"The weights are dead: B is zero in all {len(layers):,} layers, as before the first step."
        ]
    if dead:
        return [f"B is zero in {len(dead):,} of {len(layers):,} layers: {some(dead)}."]
    return []
