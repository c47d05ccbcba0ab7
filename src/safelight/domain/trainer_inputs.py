"""What the trainer takes, as data, and what its weights must weigh.

The trainer drops inputs it does not know without a word, so an unknown one is an error here, before
money is spent. Source: train.py of ``ostris/flux-dev-lora-trainer`` (replicate/flux-fine-tuner at
3dd14e3). Where the trainer has no limit of its own and a wild value would only waste a paid run, the
limit here is Safelight's and says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from safelight.domain.errors import Invalid
from safelight.domain.texts import shown, speaks_to_terminals

TRAINER = "ostris/flux-dev-lora-trainer"


OPTIMIZERS = (
    "adamw8bit", "adam8bit", "adamw", "adam", "lion8bit", "lion", "adagrad", "adafactor", "prodigy",
)  # fmt: skip
"""What the trainer knows; any other name fails there only after the model is loaded and paid for."""


@dataclass(frozen=True, slots=True)
class TrainerInput:
    """One input of the trainer. `withheld` says why Safelight never lets a caller set it."""

    type: type
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    withheld: str | None = None
    choices: tuple[str, ...] | None = None

    @property
    def words(self) -> str:
        """What it takes, in words."""
        limits = [
            f"{word} {limit:g}"
            for word, limit in (("at least", self.minimum), ("at most", self.maximum))
            if limit is not None
        ]
        parts = [_WORDS[self.type], *limits]
        if self.choices:
            parts = [f"one of {', '.join(self.choices)}"]
        if self.default is not None:
            shown = str(self.default).lower() if self.type is bool else self.default
            parts.append(f"by default {shown}")
        return ", ".join(parts)


MAX_TEXT = 1000
"""Characters of a text among the inputs, such as a caption's prefix."""
_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: f"a text of at most {MAX_TEXT:,} characters",
}
_SECRET = "it is a secret, and a training's inputs are readable at the provider"  # noqa: S105
_WANDB = "live samples go to a third party; Safelight draws its own previews"

INPUTS: Mapping[str, TrainerInput] = MappingProxyType(
    {
        "input_images": TrainerInput(str, withheld="it is the dataset that Safelight builds"),
        "trigger_word": TrainerInput(
            str, "TOK", withheld="the trigger is made once with the subject and never retyped"
        ),
        "autocaption": TrainerInput(bool, True),
        "autocaption_prefix": TrainerInput(str),
        "autocaption_suffix": TrainerInput(str),
        "steps": TrainerInput(int, 1000, 3, 6000),
        # No bound of the trainer's: above 1 (prodigy's own scale) is always a slip of the pen.
        "learning_rate": TrainerInput(float, 4e-4, 1e-7, 1.0),
        # No bound of the trainer's: 16 images of 1024 pixels a step is past the GPU's memory.
        "batch_size": TrainerInput(int, 1, 1, 16),
        "resolution": TrainerInput(str, "512,768,1024"),
        "lora_rank": TrainerInput(int, 16, 1, 128),
        "caption_dropout_rate": TrainerInput(float, 0.05, 0.0, 1.0),
        "optimizer": TrainerInput(str, "adamw8bit", choices=OPTIMIZERS),
        "cache_latents_to_disk": TrainerInput(bool, False),
        "layers_to_optimize_regex": TrainerInput(str),
        "gradient_checkpointing": TrainerInput(bool, False),
        "hf_repo_id": TrainerInput(str, withheld="the trainer would publish the weights openly"),
        "hf_token": TrainerInput(str, withheld=_SECRET),
        "wandb_api_key": TrainerInput(str, withheld=_SECRET),
        "wandb_project": TrainerInput(str, "flux_train_replicate", withheld=_WANDB),
        "wandb_run": TrainerInput(str, withheld=_WANDB),
        "wandb_entity": TrainerInput(str, withheld=_WANDB),
        "wandb_sample_interval": TrainerInput(int, 100, 1, withheld=_WANDB),
        "wandb_sample_prompts": TrainerInput(str, withheld=_WANDB),
        "wandb_save_interval": TrainerInput(int, 100, 1, withheld=_WANDB),
        "skip_training_and_use_pretrained_hf_lora_url": TrainerInput(
            str, withheld="the result would not be trained on the subject's photos"
        ),
    }
)
"""Every input of the trainer, in its own order."""

NOT_TAKEN: Mapping[str, str] = MappingProxyType(
    {
        "num_repeats": "raise steps instead: exposures per image are steps × batch_size ÷ images",
        "network_alpha": "alpha is always the rank; set lora_rank",
        "alpha": "alpha is always the rank; set lora_rank",
        "dropout": "the only dropout there is caption_dropout_rate",
        "weight_decay": "the optimizer's own 0.01 holds",
        "mixed_precision": "it trains in bf16 and saves fp16, always",
        "prior_loss_weight": "it has no prior-preservation loss",
        "seed": "it has no training seed: two runs are never the same",
        "lr_scheduler": "the learning rate is constant",
        "warmup": "the learning rate is constant",
        "repeats": "raise steps instead: exposures per image are steps × batch_size ÷ images",
        "epochs": "it counts steps; set steps",
        "num_epochs": "it counts steps; set steps",
        "max_train_epochs": "it counts steps; set steps",
        "max_train_steps": "it is called steps",
        "rank": "it is called lora_rank",
        "network_dim": "it is called lora_rank",
    }
)
"""Inputs that people try (section 0.1 of the requirements, R-77 to R-82) and what to do instead."""

REPEATS = ("num_repeats", "repeats", "epochs", "num_epochs", "max_train_epochs")
"""Inputs of other trainers that set how often each image is seen."""

RESOLUTION_SIDES = (256, 2048)
"""Safelight's own limits on each side listed in `resolution`; the trainer has none."""
MAX_SIDES = 8
"""Sides in `resolution`; the trainer makes a set of buckets for each."""
MAX_REGEX = 200
"""Characters of `layers_to_optimize_regex`; what layers are called is said in fewer."""


def check_input(name: str, value: Any, inputs: Mapping[str, TrainerInput] = INPUTS) -> Any:
    """*value* as the trainer takes it for *name*; `Invalid` names the input, the limit and the value.

    *inputs*: what the trainer's version takes, where that was read from its schema.
    """
    spec = inputs.get(name)
    name = shown(name, most=60)
    if spec is None:
        older = "this version of it does not take it" if name in INPUTS else "it would be dropped"
        raise Invalid(
            f"The trainer has no input '{name}': {NOT_TAKEN.get(name, older + ' without a word')}.",
            hint=f"It takes: {', '.join(settable(inputs))}.",
        )
    if spec.withheld is not None:
        raise Invalid(f"'{name}' cannot be set: {spec.withheld}.")
    takes = f"The trainer takes {name} as: {spec.words}."
    value = _typed(name, spec.type, value, takes)
    if spec.minimum is not None and value < spec.minimum:
        raise Invalid(f"{name} must be at least {spec.minimum:g}; {value:g} was given.", hint=takes)
    if spec.maximum is not None and value > spec.maximum:
        raise Invalid(f"{name} must be at most {spec.maximum:g}; {value:g} was given.", hint=takes)
    if spec.choices and value not in spec.choices:
        raise Invalid(f"{name} must be one of {', '.join(spec.choices)}; {_said(value)} was given.")
    if name == "resolution":
        _check_resolution(value)
    if name == "layers_to_optimize_regex":
        check_regex(value)
    return value


def settable(inputs: Mapping[str, TrainerInput] = INPUTS) -> tuple[str, ...]:
    """The inputs a caller may set."""
    return tuple(name for name, spec in inputs.items() if spec.withheld is None)


def _typed(name: str, wanted: type, value: Any, takes: str) -> Any:
    # Past 64 bits no input of any trainer makes sense, and a number may have a million digits.
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    fits = {
        int: whole,
        float: whole or (isinstance(value, float) and math.isfinite(value)),
        bool: isinstance(value, bool),
        str: isinstance(value, str) and len(value) <= MAX_TEXT,
    }[wanted]
    if not fits:
        raise Invalid(f"{name} must be {_WORDS[wanted]}; {_said(value)} was given.", hint=takes)
    return float(value) if wanted is float else value


def _said(value: Any) -> str:
    """*value* in an error: it is the caller's, and may be of any size and depth."""
    match value:
        case bool() | None:
            return repr(value)
        case int() if abs(value) >= 2**63:
            return "a number past 64 bits"
        case int() | float():
            return repr(value)
        case str():
            return f"'{shown(value, most=40)}'" + (
                "" if len(value) <= 40 else f" ({len(value):,} characters)"
            )
        case list():
            return "a list"
    return "an object"


def _check_resolution(value: str) -> None:
    low, high = RESOLUTION_SIDES
    sides = [side.strip() for side in value.split(",")]
    if len(sides) > MAX_SIDES or not all(s.isascii() and s.isdigit() for s in sides):
        raise Invalid(
            f"resolution is a list of at most {MAX_SIDES} whole numbers such as '512,768,1024'; "
            f"{_said(value)} was given."
        )
    for side in sides:
        if len(side) > 5 or not low <= int(side) <= high:
            raise Invalid(
                f"resolution must be {low} to {high} a side; {shown(side, most=20)} was given."
            )


_SINGLE: Mapping[str, tuple[int, int]] = {
    "attn.to_q": (3072, 3072),
    "attn.to_k": (3072, 3072),
    "attn.to_v": (3072, 3072),
    "norm.linear": (3072, 9216),
    "proj_mlp": (3072, 12288),
    "proj_out": (15360, 3072),
}
_ATTENTION = [
    "to_q",
    "to_k",
    "to_v",
    "add_q_proj",
    "add_k_proj",
    "add_v_proj",
    "to_out.0",
    "to_add_out",
]
_DOUBLE: Mapping[str, tuple[int, int]] = {
    **{f"attn.{name}": (3072, 3072) for name in _ATTENTION},
    "ff.net.0.proj": (3072, 12288),
    "ff.net.2": (12288, 3072),
    "ff_context.net.0.proj": (3072, 12288),
    "ff_context.net.2": (12288, 3072),
    "norm1.linear": (3072, 18432),
    "norm1_context.linear": (3072, 18432),
}


@lru_cache(maxsize=1)
def modules() -> Mapping[str, tuple[int, int]]:
    """The 494 modules of FLUX.1-dev that a LoRA changes: name → (in, out) features.

    In the file each has ``<name>.lora_A.weight`` of shape (rank, in) and ``<name>.lora_B.weight`` of
    shape (out, rank), in fp16.
    """
    single = {
        f"transformer.single_transformer_blocks.{block}.{part}": shape
        for block in range(38)
        for part, shape in _SINGLE.items()
    }
    double = {
        f"transformer.transformer_blocks.{block}.{part}": shape
        for block in range(19)
        for part, shape in _DOUBLE.items()
    }
    return MappingProxyType({**single, **double})


def check_regex(regex: str) -> None:
    """Raise Invalid if `layers_to_optimize_regex` is no text of a sensible length. Whether it compiles and
    matches is tried by `stages.layers`, in a process that may be killed: never here."""
    if len(regex) > MAX_REGEX or speaks_to_terminals(regex):
        raise Invalid(
            f"layers_to_optimize_regex has at most {MAX_REGEX} characters, none of them invisible; "
            f"{shown(regex, most=40)!r} has {len(regex):,}."
        )


def expected_bytes(rank: int, names: Iterable[str] | None = None) -> int:
    """Bytes of the tensors of a LoRA of *rank* over *names* (None: all modules), in fp16 (R-120, K15).

    All modules: 10,739,712 × rank. The file has a header of some 0.1 MB on top. KeyError for a name
    that is no module.
    """
    shapes = modules()
    chosen = shapes if names is None else names
    return 2 * rank * sum(sum(shapes[name]) for name in chosen)


def largest_resolution(text: str | None) -> int:
    """The largest of a `resolution` like '512,768,1024', by which the trainer's shapes go."""
    found = [int(part) for part in str(text or INPUTS["resolution"].default).split(",")]
    return max(found)
