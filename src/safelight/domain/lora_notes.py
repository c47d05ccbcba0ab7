"""What is worth telling of a LoRA file that is whole: whom it draws, how strongly, what else is in it.

None of it is a fault. A file that another trainer made well must not be called broken because ours
would have made another one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from safelight.domain.architectures import FLUX
from safelight.domain.lora import Layer, main_rank, ranks, strengths
from safelight.domain.lora_names import DIFFERENCE, REPLACEMENT, Names, text_encoder
from safelight.domain.plain_json import NotPlain, parse
from safelight.domain.texts import shown

NAMED = 3
"""So many names of a kind are said; the rest are counted."""
_SAID = 120
_PLAIN = {DIFFERENCE: "changed by a plain difference", REPLACEMENT: "replaced by others"}
MOST_GROUPS = 6
"""So many strengths are told one by one; more of them as a range."""


def some(names: Sequence[str]) -> str:
    """The first few of *names*, as they may be shown, and how many more there are."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(shown(name, most=_SAID) for name in names[:NAMED]) + more


def span(values: Iterable[float]) -> str:
    """'4', or '4 to 16'."""
    found = sorted(values)
    if not found:
        return "none"
    least, most = f"{found[0]:g}", f"{found[-1]:g}"
    return least if least == most else f"{least} to {most}"


def notes_of(
    model: str | None,
    names: Names,
    layers: Sequence[Layer],
    text_layers: Sequence[Layer],
    header: Mapping[str, str],
) -> tuple[str, ...]:
    """Everything there is to tell, a sentence each. *layers* change *model*, *text_layers* its text
    encoders; *header* is the file's own notes."""
    return (
        *_model(model, names, layers, header),
        *_kinds(names),
        *_text_encoders(text_layers),
        *_ranks(layers),
        *_strength(layers),
        *_header(layers, header),
        *_adapters(names),
    )


def _model(
    model: str | None, names: Names, layers: Sequence[Layer], header: Mapping[str, str]
) -> list[str]:
    if model == FLUX:
        return []
    if model is not None:
        return [f"It changes {model}; what draws here is {FLUX}: it cannot be drawn with here."]
    if not layers and not names.others:
        return ["It changes no image model: it cannot be drawn with alone."]
    said = header.get("modelspec.architecture") or header.get("ss_base_model_version")
    says = f" (its header says {shown(said, most=60)})" if said else ""
    return [
        f"Which model it changes is not known by its layers' names{says}; what draws here is {FLUX}."
    ]


def _kinds(names: Names) -> list[str]:
    found = [
        f"{len(modules):,} modules are changed by {kind}, not by low-rank pairs: what draws here "
        "does not take that."
        for kind, modules in names.others.items()
        if kind not in _PLAIN
    ]
    found += [
        f"{len(names.others[kind]):,} weights, biases or norms are {how}, which what draws here is not "
        "known to take."
        for kind, how in _PLAIN.items()
        if kind in names.others
    ]
    if doras := sum(pair.dora for pair in names.pairs):
        found.append(
            f"{doras:,} layers are DoRA's, with magnitudes beside the pair, which what draws here is "
            "not known to take."
        )
    if names.embeddings:
        found.append(
            f"{len(names.embeddings):,} learnt words (embeddings) are in it, which what draws here "
            f"does not take: {some(names.embeddings)}."
        )
    return found


def _text_encoders(layers: Sequence[Layer]) -> list[str]:
    if not layers:
        return []
    which = Counter(text_encoder(layer.module) or "" for layer in layers)
    dead = sum(layer.norm_b == 0 for layer in layers)
    untouched = f"; {dead:,} of them are as before the first step" if dead else ""
    told = f"rank {span(ranks(layers))}, strength {span(strengths(layers))}{untouched}"
    said = f"{len(layers):,} pairs change a text encoder ({', '.join(sorted(which))}), {told}."
    return [f"{said} They do not count into the rank."]


def _ranks(layers: Sequence[Layer]) -> list[str]:
    found = ranks(layers)
    if len(found) < 2:
        return []
    return [f"Ranks vary by layer, {span(found)}, most often {main_rank(layers)}."]


def _strength(layers: Sequence[Layer]) -> list[str]:
    found = strengths(layers)
    if set(found) <= {1.0}:
        return []
    if len(found) > 1:
        return [f"Strength (alpha over rank) varies by layer: {_spread(found)}."]
    alphas = span(layer.alpha for layer in layers if layer.alpha is not None)
    told = f"Alpha is {alphas} at rank {span(ranks(layers))}: it is drawn at {span(found)}"
    return [f"{told} of the full strength, unless lora_scale makes up for it."]


def _spread(found: Mapping[float, int]) -> str:
    if len(found) > MOST_GROUPS:
        return span(found)
    return ", ".join(f"{value:g} in {count:,} layers" for value, count in found.items())


def _header(layers: Sequence[Layer], header: Mapping[str, str]) -> list[str]:
    found = []
    said = whole(header.get("ss_network_dim", ""))
    there = ranks(layers)
    if said is not None and len(there) > 1 and said not in there:
        found.append(f"The header says rank {said} (ss_network_dim), which no layer has.")
    alpha = number(header.get("ss_network_alpha", ""))
    if alpha is not None and layers:
        alphas = {layer.alpha for layer in layers}
        if alphas == {None} and alpha != main_rank(layers):
            found.append(
                f"The header says alpha {alpha:g} (ss_network_alpha), and no layer has one: it is drawn "
                "at full strength."
            )
        elif alphas != {None} and not any(_near(alpha, value) for value in alphas):
            told = span(value for value in alphas if value is not None)
            found.append(
                f"The header says alpha {alpha:g} (ss_network_alpha), and the layers have {told}: these "
                "count when it is drawn."
            )
    return found + _peft_header(layers, header)


def _peft_header(layers: Sequence[Layer], header: Mapping[str, str]) -> list[str]:
    """diffusers keeps PEFT's own settings; what reads them scales by their alpha."""
    if any(layer.alpha is not None for layer in layers):
        return []
    try:
        told = parse(header.get("lora_adapter_metadata", "{}"), most=1_000_000, nodes=10_000)
    except NotPlain:
        return []
    for key in told if isinstance(told, dict) else ():
        before, is_alpha, _ = key.partition("lora_alpha")
        alpha, rank = (_count(told.get(name)) for name in (key, f"{before}r"))
        if is_alpha and alpha and rank and alpha != rank:
            says = f"The header says alpha {alpha:g} at rank {rank:g} (lora_adapter_metadata): "
            return [f"{says}what reads that draws at {alpha / rank:g}, all else at full strength."]
    return []


def _adapters(names: Names) -> list[str]:
    found = sorted({pair.adapter for pair in names.pairs})
    if len(found) < 2:
        return []
    return [f"{len(found)} adapters lie in one file ({some([a or '(no name)' for a in found])})."]


def whole(text: str) -> int | None:
    """*text* as a whole number of at most six digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None


def number(text: str) -> float | None:
    """*text* as a finite number; None for all else, such as kohya's 'None' and 'Dynamic'."""
    try:
        value = float(text) if len(text) <= 30 else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _count(value: object) -> float | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9
    return float(value) if fits else None  # type: ignore[arg-type]


def _near(one: float, other: float | None) -> bool:
    # Half precision keeps three digits.
    return other is not None and math.isclose(one, other, rel_tol=1e-3)
