"""The names that trainers and savers give a LoRA's tensors: which belong together, and what they are.

One module may be changed by two low-rank halves (LoRA, in eight spellings), by products of another
kind (LoKr, LoHa, OFT ...) or by a plain difference. Beside them lie each module's alpha, DoRA's
magnitudes, biases, and embeddings. Names are the file's, so every pattern here is read in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

_HALF = re.compile(
    r"(?:\.(?P<peft>lora_[AB])(?:\.(?P<adapter>[^.]+))?\.weight"  # also as state_dict() has it
    r"|\.(?P<bare>lora_[AB])"
    r"|\.(?P<embedding>lora_embedding_[AB])(?:\.(?P<of>[^.]+))?"
    r"|\.(?P<kohya>lora_(?:down|up))\.weight"
    r"|\.(?:lora|lora_layer|lora_linear_layer)\.(?P<diffusers>down|up)\.weight"
    r"|(?P<processor>_lora\d?)\.(?P<xflux>down|up)\.weight)\Z"
)
"""The end of a half's name. What is before it is the module's; `processor` belongs to the module too."""

_BESIDE = re.compile(
    r"\.(?P<what>alpha|scale|scalar|rescale|lora_mid\.weight|reshape_weight|set_weight"
    r"|(?P<dora>dora_scale|magnitude|lora_magnitude_vector(?:\.[^.]+)?)"
    r"|lora_(?:[AB](?:\.[^.]+)?|down|up)\.bias)\Z"
)
"""What may lie beside a module's halves, or beside another kind's tensors."""

_OTHER = re.compile(
    r"\.(?:(?P<LoKr>lokr_(?:w[12](?:_[ab])?|t2))"
    r"|(?P<LoHa>hada_(?:w[12]_[ab]|t[12]))"
    r"|(?P<OFT>oft_(?:blocks|diag|[RrSs])(?:\.[^.]+)*)"
    r"|(?P<BOFT>boft_[A-Za-z]+(?:\.[^.]+)*)"
    r"|(?P<IA3>ia3_l(?:\.[^.]+)*|on_input)"
    r"|(?P<VeRA>vera_(?:lambda_[bd]|[AB])(?:\.[^.]+)*)"
    r"|(?P<GLoRA>(?:a[12]|b[12]|bm[12])\.weight)"
    r"|(?P<difference>diff|diff_b|w_norm|b_norm)"
    r"|(?P<replacement>norm\.(?:query|key)_norm\.scale|norm_(?:added_)?[qk]\.weight"
    r"|modules_to_save(?:\.[^.]+)?\.(?:weight|bias)))\Z"
)
DIFFERENCE, REPLACEMENT = "difference", "replacement"
"""The kinds that add a plain difference to a weight, a bias or a norm, or take its place."""

_EMBEDDING = re.compile(
    r"(?:^|[._])(?:emb_params|string_to_param\b.*|bundle_emb\b.*|text_encoders_\d|clip_[lg])\Z"
)
_TEXT_ENCODER = re.compile(
    r"(?:base_model[._]model[._])?(?:transformer[._])?"
    r"(lora_te\d?(?=_)|text_encoders?(?:_\d)?(?=[._])|clip_[lgh](?=[._])|t5(?:xxl)?(?=[._])"
    r"|te\d?(?=\.)|cond_stage_model|conditioner)"
)
_XFLUX = re.compile(r"(?:double|single)_blocks\.\d+\.processor\.")


@dataclass(frozen=True, slots=True)
class Pair:
    """The two tensors that change one module: its weight gains B × A, by alpha over the rank.

    `alpha` is a tensor's name; `dora`: its magnitudes are there too. `adapter` is PEFT's name for one of
    several LoRAs in a file.
    """

    module: str
    naming: str
    a: str
    b: str
    adapter: str = ""
    alpha: str | None = None
    dora: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """A file's tensors, sorted: pairs by module; the modules that are changed in `others` of the known
    ways, by kind; embeddings; and the names that belong to nothing known."""

    pairs: tuple[Pair, ...] = ()
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    embeddings: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()


def sort_names(names: Iterable[str]) -> Names:
    """Which of *names* belong together, and to what."""
    there = sorted(set(names))
    halves, rest = _halves(there)
    pairs, single = _paired(halves)
    others: dict[str, set[str]] = {}
    beside: list[tuple[str, str, bool]] = []
    embeddings, strangers = [], single
    for name in rest:
        if other := _OTHER.search(name):
            others.setdefault(str(other.lastgroup), set()).add(name[: other.start()])
        elif found := _BESIDE.search(name):
            beside.append((name, name[: found.start()], bool(found["dora"])))
        elif _EMBEDDING.search(name):
            embeddings.append(name)
        else:
            strangers.append(name)
    known = {pair.module for pair in pairs}.union(*others.values())
    strangers += [name for name, module, _ in beside if module not in known]
    return Names(
        _with_what_lies_beside(pairs, beside),
        {kind: tuple(sorted(found)) for kind, found in sorted(others.items())},
        tuple(embeddings),
        tuple(sorted(strangers)),
    )


_Key = tuple[str, str, str]
"""Naming, module, adapter."""


def _halves(names: Iterable[str]) -> tuple[dict[_Key, dict[str, str]], list[str]]:
    """Naming, module and adapter → which half → its name; and the names that are no half."""
    found: dict[_Key, dict[str, str]] = {}
    rest = []
    for name in names:
        half = _HALF.search(name)
        if half is None:
            rest.append(name)
            continue
        module = name[: half.start()] + (half["processor"] or "")
        which = next(half[key] for key in _WHICH if half[key])
        naming = "x-flux" if half["xflux"] and _XFLUX.search(name) else _naming(half)
        key = (naming, module, half["adapter"] or half["of"] or "")
        found.setdefault(key, {})["b" if which[-1] in ("B", "p") else "a"] = name
    return found, rest


_WHICH = ("peft", "bare", "embedding", "kohya", "diffusers", "xflux")


def _naming(half: re.Match[str]) -> str:
    if half["kohya"]:
        return "kohya"
    return "diffusers" if half["diffusers"] or half["xflux"] else "peft"


def _paired(halves: Mapping[_Key, Mapping[str, str]]) -> tuple[list[Pair], list[str]]:
    pairs: list[Pair] = []
    single: list[str] = []
    for (naming, module, adapter), found in halves.items():
        if len(found) == 2:
            pairs.append(Pair(module, naming, found["a"], found["b"], adapter))
        else:
            single += found.values()
    return sorted(pairs, key=lambda pair: (pair.module, pair.adapter)), single


def _with_what_lies_beside(
    pairs: Iterable[Pair], beside: Iterable[tuple[str, str, bool]]
) -> tuple[Pair, ...]:
    beside = tuple(beside)
    alphas = {module: name for name, module, dora in beside if not dora and name.endswith(".alpha")}
    doras = {module for _, module, dora in beside if dora}
    return tuple(
        replace(pair, alpha=alphas.get(pair.module), dora=pair.module in doras) for pair in pairs
    )


def text_encoder(module: str) -> str | None:
    """Which text encoder *module* belongs to, in the file's own word (``lora_te1``); None: to none."""
    found = _TEXT_ENCODER.match(module)
    if found is not None:
        return found[1]
    return "text_model" if "text_model" in module and "encoder" in module else None
