"""Ranks, strength and text encoders are told layer by layer; our own trainer is held to its order."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from safelight.cli.main import app
from safelight.domain.errors import BadArchive
from safelight.domain.lora_names import text_encoder
from safelight.stages import importing
from safelight.stages.weights import check, inspect, verify
from tests.support.lora import KOHYA, Tensors, numbers, pairs, write

FEW = (
    "transformer.single_transformer_blocks.7.proj_out",
    "transformer.transformer_blocks.3.attn.to_q",
)


# Ranks.


def test_ranks_that_vary_by_layer_are_whole_and_their_range_is_told(tmp_path: Path) -> None:
    """Files that were resized layer by layer."""
    tensors: Tensors = {}
    for n, rank in enumerate((10, 10, 18, 5)):
        tensors |= pairs(
            {f"lora_unet_double_blocks_{n}_img_attn_proj": (3072, 3072)}, rank, KOHYA, rank
        )
    path = write(tmp_path / "x.safetensors", tensors, ss_network_dim="Dynamic")
    facts = inspect(path)
    assert (facts.problems, facts.rank) == ((), 10)
    assert facts.notes == ("Ranks vary by layer, 5 to 18, most often 10.",)
    done = CliRunner().invoke(app, ["weights", "inspect", str(path)])
    assert done.output.startswith("rank 5 to 18 · 4 layers, 12 tensors")
    told = json.loads(CliRunner().invoke(app, ["weights", "inspect", str(path), "--json"]).output)
    assert told["ranks"] == {"5": 1, "10": 2, "18": 1}
    (says, *_) = check(facts, 10)
    assert says.startswith(
        "Rank 10 was asked for and the weights mix ranks: 5 in 1 layers, 10 in 2"
    )


@pytest.mark.parametrize(
    ("said", "problem", "note"),
    [
        ("8", False, False),
        ("16", False, False),
        ("Dynamic", False, False),
        ("None", False, False),
        ("32", False, True),
        ("9" * 5000, False, False),
        ("²", False, False),
    ],
)
def test_a_header_says_one_of_the_ranks_or_that_is_told(
    tmp_path: Path, said: str, problem: bool, note: bool
) -> None:
    tensors = pairs({"lora_unet_single_blocks_0_linear2": (15360, 3072)}, 8, KOHYA)
    tensors |= pairs({"lora_unet_single_blocks_1_linear2": (15360, 3072)}, 16, KOHYA)
    facts = inspect(write(tmp_path / "x.safetensors", tensors, ss_network_dim=said))
    assert bool(facts.problems) is problem
    assert ("The header says rank" in str(facts.notes)) is note


def test_a_rank_beyond_what_our_trainer_makes_is_whole_and_told_in_words(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.safetensors", pairs({"single_blocks.0.linear2": (15360, 3072)}, rank=256)
    )
    facts = importing._facts(path)
    assert importing.rank_of(facts) is None
    found = importing.known(importing.Found(file=path, facts=facts), given="x.safetensors")
    assert found["facts"]["ranks"] == "256"


# Strength.


def scalar(dtype: str, value: float) -> tuple[str, bytes]:
    packed = {"F16": "<e", "F32": "<f", "F64": "<d", "I64": "<q", "I32": "<i"}
    if dtype == "BF16":
        return dtype, struct.pack("<f", value)[2:]
    return dtype, struct.pack(packed[dtype], int(value) if dtype.startswith("I") else value)


@pytest.mark.parametrize("shape", [[], [1], [1, 1]])
@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32", "F64", "I64", "I32"])
def test_alpha_is_read_in_every_type_and_the_strength_is_told(
    tmp_path: Path, dtype: str, shape: list[int]
) -> None:
    """kohya's default alpha is 1, in whole numbers where its config has one."""
    name = "lora_unet_double_blocks_0_img_attn_proj"
    tensors = pairs({name: (3072, 3072)}, 16, KOHYA)
    tensors[f"{name}.alpha"] = (dtype, shape, scalar(dtype, 1)[1])
    path = write(tmp_path / "x.safetensors", tensors, ss_network_dim="16", ss_network_alpha="1.0")
    facts = inspect(path)
    assert facts.problems == ()
    assert [(layer.alpha, layer.strength) for layer in facts.layers] == [(1.0, 0.0625)]
    assert "Alpha is 1 at rank 16: it is drawn at 0.0625 of the full strength" in str(facts.notes)


def test_the_command_tells_each_layers_strength(tmp_path: Path) -> None:
    name = "lora_unet_double_blocks_0_img_attn_proj"
    path = write(tmp_path / "x.safetensors", pairs({name: (3072, 3072)}, 16, KOHYA, 1))
    told = json.loads(CliRunner().invoke(app, ["weights", "inspect", str(path), "--json"]).output)
    assert (told["layers"][0]["alpha"], told["layers"][0]["strength"]) == (1, 0.0625)
    assert told["strengths"] == {"0.0625": 1}
    assert (
        "strength 0.0625 (alpha 1)"
        in CliRunner().invoke(app, ["weights", "inspect", str(path)]).output
    )


def test_strengths_that_vary_by_layer_are_told_one_by_one(tmp_path: Path) -> None:
    tensors: Tensors = {}
    for n, alpha in enumerate((4, 4, 8, -2)):
        tensors |= pairs(
            {f"lora_unet_double_blocks_{n}_img_attn_proj": (3072, 3072)}, 8, KOHYA, alpha
        )
    facts = inspect(write(tmp_path / "x.safetensors", tensors))
    assert facts.problems == ()
    assert facts.notes == (
        "Strength (alpha over rank) varies by layer: -0.25 in 1 layers, 0.5 in 2 layers, 1 in 1 layers.",
    )


@pytest.mark.parametrize(
    ("alpha", "says"),
    [
        (np.array(np.nan, np.float16), "Alpha is no single finite number in 1 layers"),
        (np.array(np.inf, np.float32), "Alpha is no single finite number in 1 layers"),
        (numbers(4), "Alpha is no single finite number in 1 layers"),
        (("I4", [1], b"\1"), "Alpha is no single finite number in 1 layers"),
        (np.array(0, np.float16), "Alpha is 0 in 1 layers, so they change nothing"),
    ],
)
def test_an_alpha_that_spoils_or_silences_its_layer_is_a_fault(
    tmp_path: Path, alpha: Any, says: str
) -> None:
    name = "lora_unet_double_blocks_0_img_attn_proj"
    tensors = pairs({name: (3072, 3072)}, 4, KOHYA)
    tensors[f"{name}.alpha"] = alpha
    path = write(tmp_path / "x.safetensors", tensors)
    assert says in str(inspect(path).problems)
    told = json.loads(CliRunner().invoke(app, ["weights", "inspect", str(path), "--json"]).output)
    assert not told["ok"]


@pytest.mark.parametrize(
    ("header", "alpha", "says"),
    [
        (
            {"ss_network_alpha": "4.0"},
            2,
            "The header says alpha 4 (ss_network_alpha), and the layers have 2",
        ),
        ({"ss_network_alpha": "2.0"}, 2, None),
        ({"ss_network_alpha": "4"}, None, None),
        (
            {"ss_network_alpha": "2"},
            None,
            "The header says alpha 2 (ss_network_alpha), and no layer has one",
        ),
        ({"ss_network_alpha": "Dynamic"}, 4, None),
        ({"ss_network_alpha": "1e999"}, 4, None),
        (
            {"lora_adapter_metadata": '{"transformer.r": 4, "transformer.lora_alpha": 8}'},
            None,
            "The header says alpha 8 at rank 4 (lora_adapter_metadata): what reads that draws at 2",
        ),
        (
            {"lora_adapter_metadata": '{"transformer.r": 4, "transformer.lora_alpha": 4}'},
            None,
            None,
        ),
        ({"lora_adapter_metadata": '{"r": "x", "lora_alpha": [8]}'}, None, None),
        ({"lora_adapter_metadata": "[" * 100_000}, None, None),
    ],
)
def test_a_header_that_says_another_alpha_than_the_layers_is_told(
    tmp_path: Path, header: dict[str, str], alpha: float | None, says: str | None
) -> None:
    name = "lora_unet_double_blocks_0_img_attn_proj"
    path = write(tmp_path / "x.safetensors", pairs({name: (3072, 3072)}, 4, KOHYA, alpha), **header)
    facts = inspect(path)
    assert facts.problems == ()
    told = [note for note in facts.notes if "The header" in note]
    assert told == [] if says is None else told[0].startswith(says)


# Text encoders.


@pytest.mark.parametrize(
    ("module", "which"),
    [
        ("lora_te_text_model_encoder_layers_0_mlp_fc1", "lora_te"),
        ("lora_te1_text_model_encoder_layers_0_mlp_fc1", "lora_te1"),
        ("lora_te2_encoder_block_0_layer_0_SelfAttention_q", "lora_te2"),
        ("text_encoder.text_model.encoder.layers.0.self_attn.q_proj", "text_encoder"),
        ("text_encoder_2.encoder.block.0.layer.0.SelfAttention.q", "text_encoder_2"),
        ("text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1", "text_encoders"),
        ("base_model.model.text_model.encoder.layers.0.self_attn.q_proj", "text_model"),
        ("clip_l.text_model.encoder.layers.0.mlp.fc1", "clip_l"),
        ("transformer.time_text_embed.text_embedder.linear_1", None),
        ("double_blocks.0.txt_attn.qkv", None),
        ("transformer.context_embedder", None),
    ],
)
def test_pairs_of_a_text_encoder_are_told_from_the_models(module: str, which: str | None) -> None:
    assert text_encoder(module) == which


def test_text_encoder_pairs_are_told_and_do_not_count_into_the_rank(tmp_path: Path) -> None:
    tensors = pairs({"lora_unet_double_blocks_0_img_attn_proj": (3072, 3072)}, 16, KOHYA, 16)
    te = {f"lora_te1_text_model_encoder_layers_{n}_mlp_fc1": (768, 3072) for n in range(3)}
    tensors |= pairs(te, 4, KOHYA, 2)
    silent = "lora_te1_text_model_encoder_layers_2_mlp_fc1.lora_up.weight"
    tensors[silent] = np.zeros((3072, 4), np.float16)
    path = write(tmp_path / "x.safetensors", tensors, ss_network_dim="16", ss_network_alpha="16")
    facts = inspect(path)
    assert (facts.flux, facts.rank, facts.problems) == (True, 16, ())
    assert (len(facts.layers), len(facts.text_encoders)) == (1, 3)
    (note,) = facts.notes
    assert note.startswith(
        "3 pairs change a text encoder (lora_te1), rank 4, strength 0.5; 1 of them"
    )
    assert note.endswith("They do not count into the rank.")
    assert check(facts, 16) == ()
    told = json.loads(CliRunner().invoke(app, ["weights", "inspect", str(path), "--json"]).output)
    assert len(told["text_encoders"]) == 3


def test_a_text_encoder_alone_changes_no_image_model(tmp_path: Path) -> None:
    te = {f"lora_te1_text_model_encoder_layers_{n}_mlp_fc1": (768, 3072) for n in range(3)}
    facts = inspect(write(tmp_path / "x.safetensors", pairs(te, 4, KOHYA)))
    assert (facts.problems, facts.rank, facts.model) == ((), 4, None)
    assert "It changes no image model" in facts.notes[0]


# Our own trainer is held to what it was asked for.


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({f"{FEW[0]}.alpha": np.array(40, np.float16)}, "at strength 1 to 10"),
        (
            pairs({"lora_te1_text_model_encoder_layers_0_mlp_fc1": (768, 3072)}),
            "1 of a text encoder",
        ),
        ({"transformer.x.lokr_w1": numbers(4, 4)}, "that were not asked for: 1 by LoKr"),
        (pairs({FEW[1]: (3072, 3072)}, 6), "mix ranks: 4 in 1 layers, 6 in 1 layers"),
    ],
)
def test_what_was_not_asked_for_is_refused_of_our_own_trainer(
    tmp_path: Path, more: Tensors, says: str
) -> None:
    whole = pairs({FEW[0]: (15360, 3072), FEW[1]: (3072, 3072)}, 4)
    effective = {"network": {"network_kwargs": {"only_if_contains": list(FEW)}}}
    verify(inspect(write(tmp_path / "w.safetensors", whole)), rank=4, effective=effective)
    facts = inspect(write(tmp_path / "x.safetensors", whole | more))
    with pytest.raises(BadArchive, match=says):
        verify(facts, rank=4, effective=effective)
