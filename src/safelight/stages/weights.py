"""Weights: what a LoRA file holds, read from the file itself, and whether that is what was asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safelight.domain.architectures import canonical, is_flux, known_shapes, model_of
from safelight.domain.errors import BadArchive, Invalid
from safelight.domain.lora import BYTES, Layer, main_rank, ranks, strengths
from safelight.domain.lora_names import Names, Pair, sort_names, text_encoder
from safelight.domain.lora_notes import notes_of, some, span
from safelight.domain.trainer_inputs import expected_bytes, modules
from safelight.stages import layers as trained_layers
from safelight.stages.archives import Unpacked, unpack
from safelight.stages.lora_faults import faults_of
from safelight.stages.tensors import TensorFacts, read
from safelight.stages.tools import Pulse
from safelight.stages.trainer_config import trained_only

__all__ = ["Unpacked", "WeightsFacts", "check", "expected_modules", "inspect", "unpack", "verify"]

TOLERANCE = 0.02
"""Size by formula, within 2 % (R-120, K15)."""


@dataclass(frozen=True, slots=True)
class WeightsFacts:
    """What a LoRA file holds.

    Size in bytes, sha256 hex, tensors, the rank that most of its layers have (0: it has no low-rank
    pair), the modules trained; its naming (peft, kohya, diffusers, x-flux), the types of its values,
    its layers with their norms and alphas, and what is wrong with it whatever was asked for.
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
    model: str | None = None
    """The model it changes, in words; None: not known."""
    text_encoders: tuple[Layer, ...] = ()
    """Pairs that change a text encoder; they are in no count of the others."""
    others: Mapping[str, int] = field(default_factory=dict)
    """Modules that are changed in another way than by a pair, by kind: LoKr, LoHa ..."""
    notes: tuple[str, ...] = ()
    """What is worth telling of it and is no fault."""
    beside: int = 0
    """Bytes of tensors that are no half of a layer."""


def inspect(path: Path, pulse: Pulse | None = None) -> WeightsFacts:
    """Read a LoRA once and say what it holds and what is wrong with it.

    Raises:
        BadArchive: it is not safetensors, is cut short, or nothing in it changes a model. OwnDisk: our
        own disk fails.
    """
    file = read(path, pulse)
    tensors = {tensor.name: tensor for tensor in file.tensors}
    names = sort_names(tensors)
    if not (names.pairs or names.others or names.embeddings):
        raise BadArchive(
            f"The weights hold {len(tensors):,} tensors and no LoRA pair among them{_seem(tensors)}."
        )
    of_text = {pair: text_encoder(pair.module) is not None for pair in names.pairs}
    layers = tuple(_layer(pair, tensors) for pair, text in of_text.items() if not text)
    text_layers = tuple(_layer(pair, tensors) for pair, text in of_text.items() if text)
    by_name = _by_name(layers)
    model = model_of({**_bare(names), **_shapes(by_name)}, file.metadata)
    flux = is_flux(model)
    halves = [tensors[name] for pair in names.pairs for name in (pair.a, pair.b)]
    of_layers = sum(
        tensors[name].bytes
        for pair, text in of_text.items()
        if not text
        for name in (pair.a, pair.b)
    )
    return WeightsFacts(
        bytes=file.bytes,
        sha256=file.sha256,
        tensors=len(tensors),
        rank=main_rank(layers or text_layers),
        modules=tuple(sorted(layer.module for layer in layers)),
        naming="+".join(sorted({pair.naming for pair in names.pairs} or names.others.keys())),
        dtypes=tuple(sorted({tensor.dtype for tensor in halves or tensors.values()})),
        layers=layers,
        flux=flux,
        problems=faults_of(names, tensors, by_name, file.metadata, flux=flux),
        model=model,
        text_encoders=text_layers,
        others={kind: len(found) for kind, found in names.others.items()},
        notes=notes_of(model, names, layers, text_layers, file.metadata),
        beside=sum(tensor.bytes for tensor in file.tensors) - of_layers,
    )


def _seem(names: Iterable[str]) -> str:
    ends = [name.endswith((".weight", ".bias")) and "lora" not in name for name in names]
    return "; they look like a model's own" if ends and 2 * sum(ends) > len(ends) else ""


def _layer(pair: Pair, tensors: Mapping[str, TensorFacts]) -> Layer:
    a, b = tensors[pair.a], tensors[pair.b]
    return Layer(
        module=pair.module,
        rank=a.shape[0] if a.shape else 0,
        inside=a.shape[1] if len(a.shape) > 1 else 0,
        outside=b.shape[0] if b.shape else 0,
        norm_a=a.norm,
        norm_b=b.norm,
        alpha=tensors[pair.alpha].value if pair.alpha else None,
        numbers=math.prod(a.shape) + math.prod(b.shape),
    )


def _by_name(layers: Iterable[Layer]) -> dict[str, list[Layer]]:
    found: dict[str, list[Layer]] = {}
    for layer in layers:
        found.setdefault(canonical(layer.module), []).append(layer)
    return found


def _shapes(layers: Mapping[str, Sequence[Layer]]) -> dict[str, tuple[int, int] | None]:
    return {name: (same[0].inside, same[0].outside) for name, same in layers.items()}


def _bare(names: Names) -> dict[str, tuple[int, int] | None]:
    """The layers that are changed in another way: of those the names tell, and no shape."""
    others = (module for found in names.others.values() for module in found)
    return {canonical(module): None for module in others if text_encoder(module) is None}


def expected_modules(
    effective: Mapping[str, Any] | None, asked: str | None = None
) -> tuple[str, ...]:
    """The modules the trainer should have trained: all 494, or those its config restricts it to.

    *asked*: the `layers_to_optimize_regex` that was sent, which is believed where the config cannot be
    read, does not tell, or names no layer there is.
    """
    only = trained_only(effective)
    if only == ():
        return tuple(modules())
    if told := tuple(name for name in modules() if any(part in name for part in only or ())):
        return told
    try:
        return trained_layers.matching(asked)
    except Invalid:  # nothing that the trainer could have kept to
        return tuple(modules())


def check(facts: WeightsFacts, rank: int | None = None) -> tuple[str, ...]:
    """What is wrong with any LoRA file, and whether it has *rank*, where one is given (R-120, K15)."""
    if rank is None:
        return facts.problems
    known = known_shapes() if facts.flux else {}
    width = max((BYTES.get(dtype, 0) for dtype in facts.dtypes), default=0)
    numbers = 0
    for layer in facts.layers:
        shape = known.get(canonical(layer.module))
        numbers += rank * sum(shape) if shape else layer.numbers * rank // max(1, layer.rank)
    wanted = width * numbers + facts.beside
    return (
        *_wrong_rank(facts, rank),
        *_wrong_size(facts, rank, len(facts.layers), wanted),
        *facts.problems,
    )


def _wrong_rank(facts: WeightsFacts, rank: int) -> list[str]:
    if facts.rank != rank:
        return [f"Rank {rank} was asked for and the weights have rank {facts.rank}."]
    if len(found := ranks(facts.layers)) > 1:
        told = ", ".join(f"{one} in {count} layers" for one, count in list(found.items())[:10])
        return [f"Rank {rank} was asked for and the weights mix ranks: {told}."]
    return []


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
    """Raise BadArchive, with all that is wrong, unless the file is what the trainer was asked for: its
    layers and no others, all of one rank, at full strength.

    *effective* and *asked* as `expected_modules` has them.
    """
    found = _wrong_rank(facts, rank)
    expected = expected_modules(effective, asked)
    if missing := sorted(set(expected) - set(facts.modules)):
        found.append(
            f"{len(expected)} modules should have been trained and the weights hold "
            f"{len(facts.modules)}; missing: {some(missing)}."
        )
    elif extra := sorted(set(facts.modules) - set(expected)):
        found.append(
            f"{len(expected)} modules should have been trained and the weights hold "
            f"{len(facts.modules)}; not asked for: {some(extra)}."
        )
    if facts.text_encoders or facts.others:
        told = [f"{count} by {kind}" for kind, count in facts.others.items()]
        told += [f"{len(facts.text_encoders)} of a text encoder"] if facts.text_encoders else []
        found.append(f"Modules are changed that were not asked for: {', '.join(told)}.")
    if set(found_at := strengths(facts.layers)) - {1.0}:
        found.append(f"Alpha is always the rank, and the weights are at strength {span(found_at)}.")
    found += _wrong_size(facts, rank, len(expected), expected_bytes(rank, expected))
    found += facts.problems
    if found:
        raise BadArchive(" ".join(found))
