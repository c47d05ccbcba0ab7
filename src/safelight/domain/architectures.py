"""Which model a LoRA changes, by the names and shapes of the layers in it.

FLUX.1-dev is known by its layers' shapes in the ways its modules are cut: as diffusers has them (494,
each attention projection by itself), as Black Forest Labs have them (304, query, key and value in
one), and the few beside the blocks. Other models are named where their layers' names are their own;
several share FLUX's names and differ in width or in the number of blocks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from safelight.domain.trainer_inputs import modules

FLUX = "FLUX.1-dev"

Shape = tuple[int, int]
"""Features in, features out."""

_PREFIX = re.compile(
    r"\A(?:(?:base_model_model|model_diffusion_model|diffusion_model|lora_unet|lora_transformer|lycoris"
    r"|unet|pipe_dit|dit|module|model|transformer(?!_blocks?_))_)+"
)
_ANCHOR = re.compile(
    r"(?:^|_)((?:(?:single|joint)_)?transformer_blocks_\d|(?:double|single)_(?:stream_)?blocks_\d"
    r"|joint_blocks_\d|(?:down|up|input|output)_blocks_\d|mid_block_|middle_block_)"
)
_XFLUX = re.compile(r"(double|single)_blocks_(\d+)_processor_(qkv|proj)_lora([12]?)\Z")
_PROCESSOR = re.compile(r"_processor_(\w+?)_lora\Z")


def canonical(module: str) -> str:
    """*module* with underscores and without what stands before the model's own name: the same in every
    naming of the same cut."""
    name = _PREFIX.sub("", module.replace(".", "_"))
    if anchor := _ANCHOR.search(name):
        name = name[anchor.start(1) :]
    if "_processor_" not in name:
        return name
    if found := _XFLUX.fullmatch(name):
        kind, block, what, stream = found.groups()
        if kind == "single":
            return f"single_blocks_{block}_{'linear1_qkv' if what == 'qkv' else 'linear2'}"
        return f"double_blocks_{block}_{'txt' if stream == '2' else 'img'}_attn_{what}"
    return _PROCESSOR.sub(r"_\1", name)


_BFL_SINGLE: Mapping[str, Shape] = {
    "linear1": (3072, 21504),
    "linear2": (15360, 3072),
    "modulation_lin": (3072, 9216),
}
_BFL_DOUBLE: Mapping[str, Shape] = {
    "attn_qkv": (3072, 9216),
    "attn_proj": (3072, 3072),
    "mlp_0": (3072, 12288),
    "mlp_2": (12288, 3072),
    "mod_lin": (3072, 18432),
}
_OUTSIDE: Mapping[str, Shape] = {
    # Black Forest Labs' names, then diffusers'.
    "img_in": (64, 3072),
    "txt_in": (4096, 3072),
    "time_in_in_layer": (256, 3072),
    "time_in_out_layer": (3072, 3072),
    "vector_in_in_layer": (768, 3072),
    "vector_in_out_layer": (3072, 3072),
    "guidance_in_in_layer": (256, 3072),
    "guidance_in_out_layer": (3072, 3072),
    "final_layer_linear": (3072, 64),
    "final_layer_adaLN_modulation_1": (3072, 6144),
    "x_embedder": (64, 3072),
    "context_embedder": (4096, 3072),
    "time_text_embed_timestep_embedder_linear_1": (256, 3072),
    "time_text_embed_timestep_embedder_linear_2": (3072, 3072),
    "time_text_embed_guidance_embedder_linear_1": (256, 3072),
    "time_text_embed_guidance_embedder_linear_2": (3072, 3072),
    "time_text_embed_text_embedder_linear_1": (768, 3072),
    "time_text_embed_text_embedder_linear_2": (3072, 3072),
    "norm_out_linear": (3072, 6144),
    "proj_out": (3072, 64),
}
_PICTURE_IN = frozenset({"img_in", "x_embedder"})
_DOUBLES, _SINGLES = 19, 38


@lru_cache(maxsize=1)
def flux_shapes() -> Mapping[str, Shape]:
    """Every module in FLUX.1-dev's blocks, in both cuts, by `canonical` name → (in, out) features."""
    ours = {canonical(name): shape for name, shape in modules().items()}
    single = {
        f"single_blocks_{block}_{part}": shape
        for block in range(_SINGLES)
        for part, shape in _BFL_SINGLE.items()
    }
    double = {
        f"double_blocks_{block}_{stream}_{part}": shape
        for block in range(_DOUBLES)
        for stream in ("img", "txt")
        for part, shape in _BFL_DOUBLE.items()
    }
    return MappingProxyType({**ours, **single, **double})


@lru_cache(maxsize=1)
def known_shapes() -> Mapping[str, Shape]:
    """`flux_shapes`, and what else a LoRA may change: the layers beside the blocks, and the part of a
    single block's first layer that x-flux changes by itself."""
    parts = {f"single_blocks_{block}_linear1_qkv": (3072, 9216) for block in range(_SINGLES)}
    return MappingProxyType({**flux_shapes(), **_OUTSIDE, **parts})


# Layers that no other model has: a twentieth of the names is enough.
_OWN = (
    (
        "FLUX.2",
        r"single_transformer_blocks_\d+_attn_to_(?:qkv_mlp_proj|out)\Z|(?:double|single)_stream_modulation_",
    ),
    ("Qwen-Image", r"transformer_blocks_\d+_(?:img|txt)_(?:mlp|mod)_"),
    (
        "HunyuanVideo",
        r"double_blocks_\d+_(?:img|txt)_(?:mlp_fc\d|mod_linear)|single_blocks_\d+_modulation_linear",
    ),
    ("Chroma", r"distilled_guidance_layer_"),
    ("Stable Diffusion 3", r"joint_blocks_\d+_(?:x|context)_block_"),
    ("HiDream", r"(?:double|single)_stream_blocks_\d+_"),
)
# Names that are a family's: most of them must be so.
_FAMILIES = (
    (
        "Stable Diffusion",
        r"(?:(?:down|up|input|output)_blocks_\d|mid_block_|middle_block_|conv_(?:in|out)\Z|time_embed)",
    ),
    ("Wan", r"blocks_\d+_(?:self_attn|cross_attn|attn[12]|ffn)_"),
    ("Z-Image or Lumina 2", r"(?:layers|noise_refiner|context_refiner)_\d+_(?:attention|feed_forward)_"),
    ("PixArt, LTX-Video or CogVideoX", r"transformer_blocks_\d+_attn[12]_"),
    ("a language model", r"(?:layers_\d+_(?:self_attn|mlp)|h_\d+_(?:attn|mlp))_"),
)  # fmt: skip
_ALL = (*((*own, 0.05) for own in _OWN), *((*family, 0.5) for family in _FAMILIES))
_ANY = re.compile("|".join(f"({pattern})" for _, pattern, _ in _ALL))
_SD_TEXT = {768: "Stable Diffusion 1.5", 1024: "Stable Diffusion 2", 2048: "SDXL"}
"""What its cross-attention takes in tells the generation."""
_SD_ATTENTION = re.compile(r"attn2_to_[kv]\Z")
_WIDTHS = {
    1536: "Stable Diffusion 3 or 3.5 Medium",
    2432: "Stable Diffusion 3.5 Large",
    4096: "FLUX.2",
    6144: "FLUX.2",
}
"""Models whose blocks have FLUX's names, by what a block takes in."""
_BLOCK = re.compile(r"(single_transformer|transformer|double|single)_blocks_(\d+)_")


def model_of(found: Mapping[str, Shape | None], notes: Mapping[str, str]) -> str | None:
    """The model that has these layers, in words: `canonical` name → (in, out), None where the shape is
    not told; None for a model that is not known. *notes* are the file's header's."""
    if not found:
        return None
    if any("chroma" in notes.get(key, "").lower() for key in _ARCHITECTURE):
        return "Chroma"
    fits = Counter(match.lastindex for match in map(_ANY.match, found) if match)
    for place, (name, _, share) in enumerate(_ALL, 1):
        if fits[place] > share * len(found):
            return _generation(found) if name == "Stable Diffusion" else name
    known = known_shapes()
    named = {layer: shape for layer, shape in found.items() if layer in known}
    if 2 * len(named) > len(found) - len(_beyond(found)):
        return _flux_or_its_like(found, named)
    return None


_ARCHITECTURE = ("modelspec.architecture", "ss_base_model_version")


def _generation(found: Mapping[str, Shape | None]) -> str:
    texts = Counter(
        shape[0] for name, shape in found.items() if shape and _SD_ATTENTION.search(name)
    )
    if texts:
        return _SD_TEXT.get(texts.most_common(1)[0][0], "a model like Stable Diffusion")
    if any("transformer_blocks_1_" in name for name in found):
        return "SDXL"  # in the others each attention has one block
    return "Stable Diffusion 1.5, 2 or SDXL"


def _flux_or_its_like(found: Mapping[str, Shape | None], named: Mapping[str, Shape | None]) -> str:
    known = known_shapes()
    if beyond := _beyond(found):
        single = any("single" in name for name in found)
        return "HunyuanVideo" if single or max(beyond.values()) < 2 * _DOUBLES else "Qwen-Image"
    for name, shape in named.items():
        if name in _PICTURE_IN and shape and shape[1] == 3072 and shape[0] in (128, 320, 384):
            return "FLUX.1 Canny, Depth or Fill"
    shaped = {name: shape for name, shape in named.items() if shape}
    fit = sum(known[name] == shape for name, shape in shaped.items())
    if 2 * fit >= len(shaped):
        return FLUX
    width = Counter(shape[0] for shape in shaped.values()).most_common(1)[0][0]
    return _WIDTHS.get(width, f"a model with FLUX's layers in another width ({width:,})")


def _beyond(found: Iterable[str]) -> dict[str, int]:
    """The layers in blocks that FLUX has not so many of, and their blocks' numbers."""
    past = {}
    for name in found:
        block = _BLOCK.match(name)
        if block is not None:
            most = _SINGLES if block[1].startswith("single") else _DOUBLES
            if len(block[2]) > 4 or int(block[2]) >= most:
                past[name] = int(block[2][:5])
    return past


def is_flux(model: str | None) -> bool:
    """Whether the drawer here draws with what changes *model*."""
    return model == FLUX
