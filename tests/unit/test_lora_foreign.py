"""LoRA files that others made are known or named, whatever the naming; what they are is told truly."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from safelight.cli.main import app
from safelight.domain.architectures import FLUX, canonical
from safelight.domain.errors import BadArchive
from safelight.domain.lora_names import sort_names
from safelight.stages import importing
from safelight.stages.weights import check, inspect
from tests.support.lora import KOHYA, PEFT, Tensors, bfl, numbers, pair, pairs, renamed, write

FEW = (
    "transformer.single_transformer_blocks.7.proj_out",
    "transformer.transformer_blocks.3.attn.to_q",
)


def dotted(name: str) -> str:
    """Black Forest Labs' own names have dots where kohya has underscores."""
    name = re.sub(r"_(\d+)_", r".\1.", name, count=1)
    return re.sub(r"_(attn|mlp|mod)_", r"_\1.", name).replace("modulation_lin", "modulation.lin")


def xflux() -> Tensors:
    found: Tensors = {}
    for n in range(4):
        for part, outside in (("qkv", 9216), ("proj", 3072)):
            for stream in "12":
                name = f"double_blocks.{n}.processor.{part}_lora{stream}"
                found |= pair(name, (3072, outside), 4, (".down.weight", ".up.weight"))
        name = f"single_blocks.{n}.processor"
        found |= pair(f"{name}.qkv_lora", (3072, 9216), 4, (".down.weight", ".up.weight"))
        found |= pair(f"{name}.proj_lora", (15360, 3072), 4, (".down.weight", ".up.weight"))
    return found


def under(name: str) -> str:
    return name.replace(".", "_")


NAMINGS: dict[str, tuple[Callable[[], Tensors], str, int]] = {
    "ai-toolkit, Replicate": (lambda: pairs(renamed(lambda n: f"transformer.{n}")), "peft", 494),
    "diffusers, nothing in front": (lambda: pairs(renamed(str)), "peft", 494),
    "PEFT save_pretrained": (
        lambda: pairs(renamed(lambda n: f"base_model.model.{n}")),
        "peft",
        494,
    ),
    "PEFT of a pipeline": (
        lambda: pairs(renamed(lambda n: f"base_model.model.transformer.{n}")),
        "peft",
        494,
    ),
    "PEFT state_dict": (
        lambda: pairs(renamed(str), ends=(".lora_A.default.weight", ".lora_B.default.weight")),
        "peft",
        494,
    ),
    "PEFT, an adapter's own name": (
        lambda: pairs(
            renamed(str), ends=(".lora_A.my-face_v2.weight", ".lora_B.my-face_v2.weight")
        ),
        "peft",
        494,
    ),
    "OneTrainer": (
        lambda: pairs(renamed(lambda n: f"lora_transformer_{under(n)}"), 1, KOHYA, 1),
        "kohya",
        494,
    ),
    "OneTrainer, diffusers' dots": (
        lambda: pairs(renamed(lambda n: f"transformer.{n}"), 1, KOHYA, 1),
        "kohya",
        494,
    ),
    "diffusers, older": (
        lambda: pairs(
            renamed(lambda n: f"transformer.{n}"), ends=(".lora.down.weight", ".lora.up.weight")
        ),
        "diffusers",
        494,
    ),
    "LyCORIS": (lambda: pairs(renamed(lambda n: f"lycoris_{under(n)}"), 1, KOHYA, 1), "kohya", 494),
    "another prefix altogether": (lambda: pairs(renamed(lambda n: f"my.wrapper.{n}")), "peft", 494),
    "kohya": (lambda: pairs(bfl(lambda n: f"lora_unet_{n}"), 1, KOHYA, 1), "kohya", 304),
    "Black Forest Labs": (lambda: pairs(bfl(dotted)), "peft", 304),
    "ComfyUI": (lambda: pairs(bfl(lambda n: f"diffusion_model.{dotted(n)}")), "peft", 304),
    "ComfyUI, in full": (
        lambda: pairs(bfl(lambda n: f"model.diffusion_model.{dotted(n)}")),
        "peft",
        304,
    ),
    "fal": (lambda: pairs(bfl(lambda n: f"base_model.model.{dotted(n)}")), "peft", 304),
    "x-flux": (xflux, "x-flux", 24),
}


@pytest.mark.parametrize("who", NAMINGS)
def test_flux_is_known_whatever_the_naming(tmp_path: Path, who: str) -> None:
    make, naming, layers = NAMINGS[who]
    facts = inspect(write(tmp_path / "x.safetensors", make()))
    assert (facts.flux, facts.model, facts.naming) == (True, FLUX, naming)
    assert (len(facts.layers), facts.problems, facts.notes) == (layers, (), ())
    assert importing._facts(tmp_path / "x.safetensors") == facts


@pytest.mark.parametrize("who", NAMINGS)
def test_the_shapes_of_flux_are_checked_whatever_the_naming(tmp_path: Path, who: str) -> None:
    tensors = NAMINGS[who][0]()
    name = next(n for n in tensors if "double_blocks" in n or "transformer_blocks" in n)
    there = tensors[name]
    assert isinstance(there, np.ndarray)
    tensors[name] = numbers(there.shape[0], 64)
    facts = inspect(write(tmp_path / "x.safetensors", tensors))
    assert facts.flux
    assert re.search(
        r"1 layers have not the shape of FLUX\.1-dev's: .* \(64 to ", str(facts.problems)
    )


def test_the_layers_beside_fluxs_blocks_are_known_too(tmp_path: Path) -> None:
    beside = {
        "img_in": (64, 3072),
        "time_in.in_layer": (256, 3072),
        "final_layer.adaLN_modulation.1": (3072, 6144),
        "single_blocks.0.linear2": (15360, 3072),
    }
    facts = inspect(write(tmp_path / "x.safetensors", pairs(beside)))
    assert (facts.flux, facts.problems, facts.notes) == (True, (), ())


UNET = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0"
MODELS: dict[str, tuple[str, dict[str, tuple[int, int]]]] = {
    "SDXL, kohya": ("SDXL", {f"{UNET}_attn2_to_k": (2048, 640), f"{UNET}_attn1_to_q": (640, 640)}),
    "SD 1.5, kohya": ("Stable Diffusion 1.5", {f"{UNET}_attn2_to_v": (768, 640)}),
    "SD 2, kohya": ("Stable Diffusion 2", {f"{UNET}_attn2_to_k": (1024, 640)}),
    "SDXL by its depth": (
        "SDXL",
        {
            "unet.down_blocks.2.attentions.1.transformer_blocks.1.attn1.to_q": (1280, 1280),
            "unet.mid_block.attentions.0.transformer_blocks.1.ff.net.2": (5120, 1280),
        },
    ),
    "SD, which is not told": (
        "Stable Diffusion 1.5, 2 or SDXL",
        {"unet.up_blocks.1.attentions.1.transformer_blocks.0.attn1.processor.to_q": (640, 640)},
    ),
    "SDXL, its own layout": (
        "SDXL",
        {"lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k": (2048, 640)},
    ),
    "SD 3, kohya": (
        "Stable Diffusion 3",
        {"lora_unet_joint_blocks_3_x_block_attn_qkv": (1536, 4608)},
    ),
    "SD 3, diffusers": (
        "Stable Diffusion 3 or 3.5 Medium",
        {"transformer.transformer_blocks.3.attn.add_q_proj": (1536, 1536)},
    ),
    "SD 3.5 Large": (
        "Stable Diffusion 3.5 Large",
        {"transformer.transformer_blocks.3.attn.to_q": (2432, 2432)},
    ),
    "FLUX.2": (
        "FLUX.2",
        {"transformer.single_transformer_blocks.3.attn.to_qkv_mlp_proj": (6144, 55296)},
    ),
    "FLUX.2, its own layout": (
        "FLUX.2",
        {"diffusion_model.double_blocks.3.img_attn.qkv": (6144, 18432)},
    ),
    "HunyuanVideo, musubi": (
        "HunyuanVideo",
        {f"lora_unet_double_blocks_{n}_img_{p}": (3072, w)
         for n in range(20) for p, w in (("attn_qkv", 9216), ("mlp_fc1", 12288))},
    ),
    "HunyuanVideo, diffusers": (
        "HunyuanVideo",
        {f"transformer.single_transformer_blocks.{n}.attn.to_q": (3072, 3072) for n in range(40)},
    ),
    "Qwen-Image": (
        "Qwen-Image",
        {f"transformer.transformer_blocks.{n}.img_mlp.net.2": (12288, 3072) for n in range(60)},
    ),
    "Qwen-Image, attention alone": (
        "Qwen-Image",
        {f"transformer_blocks.{n}.attn.to_q": (3072, 3072) for n in range(60)},
    ),
    "Wan": ("Wan", {"diffusion_model.blocks.3.self_attn.q": (5120, 5120)}),
    "Z-Image": ("Z-Image or Lumina 2", {"diffusion_model.layers.3.attention.to_q": (3840, 3840)}),
    "LTX-Video": (
        "PixArt, LTX-Video or CogVideoX",
        {"transformer.transformer_blocks.3.attn1.to_q": (2048, 2048)},
    ),
    "a control LoRA": (
        "FLUX.1 Canny, Depth or Fill",
        {"img_in": (128, 3072), "double_blocks.0.img_attn.qkv": (3072, 9216)},
    ),
    "a language model": (
        "a language model",
        {"base_model.model.model.layers.0.self_attn.q_proj": (4096, 4096)},
    ),
    "FLUX's names, another width": (
        "a model with FLUX's layers in another width (640)",
        {"transformer.transformer_blocks.3.attn.to_q": (640, 640)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", MODELS)
def test_another_model_is_named_and_not_called_broken(tmp_path: Path, which: str) -> None:
    name, shapes = MODELS[which]
    path = write(tmp_path / "x.safetensors", pairs(shapes, 2))
    facts = inspect(path)
    assert (facts.model, facts.flux, facts.problems) == (name, False, ())
    assert any(f"It changes {name}; what draws here is {FLUX}" in note for note in facts.notes)
    done = CliRunner().invoke(app, ["weights", "inspect", str(path)])
    assert done.exit_code == 0
    assert name in done.output


def test_a_model_that_is_not_known_is_said_to_be_so_with_what_its_header_says(
    tmp_path: Path,
) -> None:
    path = write(
        tmp_path / "x.safetensors",
        pairs({"mystery.7.layer": (8, 8)}),
        ss_base_model_version="new\x1b[31mmodel",
    )
    facts = inspect(path)
    assert (facts.model, facts.problems) == (None, ())
    assert "its header says new\\x1b[31mmodel" in str(facts.notes[0])


def test_convolutions_are_layers_like_others(tmp_path: Path) -> None:
    """LoCon: four dimensions, and a third factor in the middle where it was decomposed."""
    conv = "lora_unet_down_blocks_0_resnets_0_conv1"
    tensors: Tensors = {
        f"{conv}.lora_down.weight": numbers(4, 320, 3, 3),
        f"{conv}.lora_up.weight": numbers(320, 4, 1, 1),
        f"{conv}.alpha": np.array(2, np.float32),
        f"{conv}2.lora_down.weight": numbers(4, 320, 1, 1),
        f"{conv}2.lora_mid.weight": numbers(4, 4, 3, 3),
        f"{conv}2.lora_up.weight": numbers(320, 4, 1, 1),
    }
    facts = inspect(write(tmp_path / "x.safetensors", tensors))
    assert (facts.rank, facts.problems) == (4, ())
    assert [(layer.inside, layer.outside) for layer in facts.layers] == [(320, 320)] * 2
    assert check(facts, 4) == ()


OTHERS: dict[str, tuple[Tensors, str]] = {
    "LoKr": (
        {"lycoris_transformer_blocks_3_attn_to_q.lokr_w1": numbers(4, 4),
         "lycoris_transformer_blocks_3_attn_to_q.lokr_w2_a": numbers(768, 2),
         "lycoris_transformer_blocks_3_attn_to_q.lokr_w2_b": numbers(2, 768),
         "lycoris_transformer_blocks_3_attn_to_q.alpha": np.array(1, np.float16)},
        "1 modules are changed by LoKr",
    ),
    "LoHa": (
        {f"lora_unet_single_blocks_0_linear1.hada_{w}": numbers(4, 4)
         for w in ("w1_a", "w1_b", "w2_a", "w2_b")},
        "1 modules are changed by LoHa",
    ),
    "OFT": (
        {"transformer.transformer_blocks.3.attn.to_q.oft_R.default.weight": numbers(4, 8)},
        "1 modules are changed by OFT",
    ),
    "a difference": (
        {"diffusion_model.img_in.diff": numbers(3072, 64), "diffusion_model.img_in.diff_b": numbers(4)},
        "1 weights, biases or norms are changed by a plain difference",
    ),
    "norms of their own": (
        {"double_blocks.0.img_attn.norm.key_norm.scale": numbers(128)},
        "1 weights, biases or norms are replaced by others",
    ),
    "modules that PEFT saved whole": (
        {"base_model.model.x_embedder.modules_to_save.default.weight": numbers(8, 8)},
        "1 weights, biases or norms are replaced by others",
    ),
    "an embedding": ({"emb_params": numbers(4, 768)}, "1 learnt words (embeddings) are in it"),
    "embeddings of two encoders": (
        {"clip_l": numbers(4, 768), "clip_g": numbers(4, 1280)},
        "2 learnt words (embeddings) are in it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_pair_is_named_and_not_called_broken(tmp_path: Path, kind: str) -> None:
    tensors, says = OTHERS[kind]
    path = write(tmp_path / "x.safetensors", tensors)
    facts = inspect(path)
    assert (facts.problems, facts.layers, facts.rank) == ((), (), 0)
    assert says in str(facts.notes)
    assert importing.rank_of(importing._facts(path)) is None
    done = CliRunner().invoke(app, ["weights", "inspect", str(path)])
    assert (done.exit_code, "no rank" in done.output) == (0, True)


def test_a_models_own_weights_are_no_lora(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.safetensors", {f"blocks.{n}.weight": numbers(4, 4) for n in range(5)}
    )
    with pytest.raises(
        BadArchive, match="5 tensors and no LoRA pair among them; they look like a model"
    ):
        inspect(path)


@pytest.mark.parametrize(
    "end",
    [
        "dora_scale",
        "lora_magnitude_vector",
        "lora_magnitude_vector.default",
        "lora_magnitude_vector.alpha",
    ],
)
def test_doras_magnitudes_belong_to_their_layer_and_are_told(tmp_path: Path, end: str) -> None:
    tensors = pairs(renamed(str, FEW), 4)
    for module in renamed(str, FEW):
        tensors[f"{module}.{end}"] = numbers(3072)
    facts = inspect(write(tmp_path / "x.safetensors", tensors))
    assert (facts.flux, facts.problems) == (True, ())
    assert "2 layers are DoRA's" in str(facts.notes)


def test_biases_of_halves_belong_to_their_layer(tmp_path: Path) -> None:
    tensors = pairs(renamed(str, FEW), 4)
    tensors[f"{next(iter(renamed(str, FEW)))}.lora_B.bias"] = numbers(3072)
    assert inspect(write(tmp_path / "x.safetensors", tensors)).problems == ()


def test_two_adapters_in_one_file_are_told(tmp_path: Path) -> None:
    one = pairs(renamed(str, FEW), ends=(".lora_A.one.weight", ".lora_B.one.weight"))
    two = pairs(renamed(str, FEW), ends=(".lora_A.two.weight", ".lora_B.two.weight"))
    facts = inspect(write(tmp_path / "x.safetensors", one | two))
    assert (facts.problems, len(facts.layers)) == ((), 4)
    assert "2 adapters lie in one file (one, two)." in facts.notes


def test_a_half_without_its_other_is_told_in_every_spelling(tmp_path: Path) -> None:
    for end in (*PEFT, *KOHYA, ".lora_A.x.weight", ".lora.up.weight", "_lora1.down.weight"):
        whole = pairs(renamed(str, FEW), 4)
        whole[f"double_blocks.0.img_attn.proj{end}"] = numbers(4, 4)
        (says,) = inspect(write(tmp_path / "x.safetensors", whole)).problems
        assert says.startswith("1 tensors belong to no LoRA pair: double_blocks.0"), end


# Names from anywhere.


HOSTILE = [
    "[/nope]",
    "[red]x",
    "\x1b[31mred",
    "\u202egnp",
    "\ud800",
    "a\nb",
    "[link=http://x]y[/link]",
]


def test_names_out_of_a_file_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    tensors = pairs({f"{name}.0.x": (8, 8) for name in HOSTILE}, 2)
    tensors |= {f"{name}.junk": numbers(2) for name in HOSTILE}
    path = write(tmp_path / "x.safetensors", tensors, ss_base_model_version="[/b]\x1b]0;title\x07")
    done = CliRunner().invoke(app, ["weights", "inspect", str(path)])
    assert (done.exit_code, done.exception.__class__) == (1, SystemExit)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.output)
    assert "[/nope]" in done.output
    assert "\\x1b[31mred" in done.output
    told = json.loads(CliRunner().invoke(app, ["weights", "inspect", str(path), "--json"]).output)
    assert len(told["layers"]) == len(HOSTILE)


def test_what_is_said_fits_eighty_columns_and_has_an_end(tmp_path: Path) -> None:
    shapes = {f"transformer.transformer_blocks.{n}.attn.to_q": (8, 8) for n in range(400)}
    shapes |= {f"{'a-very-long-name.' * 20}{n}.x.{n}": (8, 8) for n in range(300)}
    path = write(tmp_path / "x.safetensors", pairs(shapes), ss_base_model_version="x " * 1000)
    lines = CliRunner().invoke(app, ["weights", "inspect", str(path)]).output.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) < 200
    assert "  ... and more; --json has every layer" in lines


def test_names_are_sorted_in_one_pass_whatever_they_are() -> None:
    """Thirty thousand names of 300 characters, chosen to make a pattern look twice."""
    names = [f"{'.lora_A' * 40}.{n}.weight" for n in range(10_000)]
    names += [f"{'transformer_' * 24}{n}.lora_B" for n in range(10_000)]
    names += [f"{'_lora1' * 45}.{n}.oft_R.{'x.' * 20}" for n in range(10_000)]
    found = sort_names(names)
    assert len(found.strangers) + sum(map(len, found.others.values())) == len(names)
    assert [canonical(name) for name in names[:10]]
