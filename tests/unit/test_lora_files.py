"""Any LoRA file is read from end to end: names, shapes, values; FLUX in PEFT and in kohya's naming."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from safelight.cli.main import app
from safelight.domain.architectures import flux_shapes
from safelight.domain.errors import BadArchive
from safelight.domain.lora import Layer, picture
from safelight.domain.lora_names import sort_names
from safelight.domain.trainer_inputs import modules
from safelight.stages import tensors
from safelight.stages.weights import check, inspect
from tests.support.weights import FEW, write_lora

KOHYA = {
    "lora_unet_double_blocks_3_img_attn_qkv": (3072, 9216),
    "lora_unet_double_blocks_18_txt_mod_lin": (3072, 18432),
    "lora_unet_single_blocks_37_linear2": (15360, 3072),
}
Tensors = dict[str, np.ndarray]


def kohya(path: Path, rank: int = 8, **metadata: str) -> Path:
    random = np.random.default_rng(3)
    found: Tensors = {}
    for name, (inside, outside) in KOHYA.items():
        found[f"{name}.lora_down.weight"] = random.normal(size=(rank, inside)).astype(np.float16)
        found[f"{name}.lora_up.weight"] = random.normal(size=(outside, rank)).astype(np.float16)
        found[f"{name}.alpha"] = np.array(rank, np.float16)
    save_file(found, path, metadata=metadata or None)
    return path


def changed(path: Path, change: Callable[[Tensors], object]) -> Path:
    """The file, with its tensors changed."""
    found = load_file(path)
    change(found)
    save_file(found, path)
    return path


def raw(path: Path, header: dict[str, Any] | bytes, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def test_kohyas_naming_is_read_and_held_against_the_models_layers(tmp_path: Path) -> None:
    facts = inspect(kohya(tmp_path / "k.safetensors", ss_network_dim="8"))
    assert (facts.naming, facts.rank, facts.tensors, facts.flux) == ("kohya", 8, 9, True)
    assert facts.modules == tuple(sorted(KOHYA))
    assert check(facts, 8) == ()


def test_a_whole_file_in_kohyas_cut_has_the_size_its_own_layers_ask_for(tmp_path: Path) -> None:
    """K15: rank x (in + out) x two bytes over 304 modules; another rank is over 2 % off."""
    sizes = {
        f"lora_unet_{name}": shape
        for name, shape in flux_shapes().items()
        if name.startswith(("double_blocks", "single_blocks"))
    }
    random = np.random.default_rng(3)
    found: Tensors = {}
    for name, (inside, outside) in sizes.items():
        found[f"{name}.lora_down.weight"] = random.normal(size=(1, inside)).astype(np.float16)
        found[f"{name}.lora_up.weight"] = random.normal(size=(outside, 1)).astype(np.float16)
    save_file(found, tmp_path / "k.safetensors")
    facts = inspect(tmp_path / "k.safetensors")
    assert (len(facts.layers), facts.flux) == (304, True)
    assert check(facts, 1) == ()
    assert any("over 2 % off" in problem for problem in check(facts, 2))
    drawn = list(picture(facts.layers))
    assert {kind for kind, _, _ in drawn} == {"double_blocks", "single_blocks"}
    assert {len(signs) for kind, _, signs in drawn if kind == "single_blocks"} == {38}


def test_a_rank_that_kohyas_header_claims_and_the_shapes_do_not_show_is_said(
    tmp_path: Path,
) -> None:
    facts = inspect(kohya(tmp_path / "k.safetensors", ss_network_dim="48"))
    assert check(facts) == ("The header says rank 48 (ss_network_dim) and the shapes show rank 8.",)


def test_flux_has_494_modules_in_peft_and_304_in_kohyas_cut() -> None:
    """494: replicate.md 4.3; 304: 19 double blocks of 10 and 38 single blocks of 3."""
    assert len(flux_shapes()) == 494 + 304
    assert len(modules()) == 494


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda t: t[f"{FEW[0]}.lora_B.weight"].__setitem__((5, 1), np.nan),
            rf"1 values in 1 of 4 tensors are NaN or infinite: {FEW[0]}.lora_B.weight\.",
        ),
        (
            lambda t: t[f"{FEW[1]}.lora_A.weight"].__setitem__(slice(0, 2), -np.inf),
            rf"30,720 values in 1 of 4 tensors are NaN or infinite: {FEW[1]}.lora_A.weight\.",
        ),
        (
            lambda t: [t[f"{name}.lora_B.weight"].fill(0) for name in FEW],
            r"The weights are dead: B is zero in all 2 layers, as before the first step\.",
        ),
        (
            lambda t: t[f"{FEW[0]}.lora_B.weight"].fill(-0.0),
            rf"B is zero in 1 of 2 layers: {FEW[0]}\.",
        ),
        (lambda t: t.pop(f"{FEW[0]}.lora_B.weight"), r"1 tensors belong to no LoRA pair: .*lora_A"),
        (
            lambda t: t.update({f"{FEW[0]}.lora_B.weight": np.ones((3072, 5), np.float16)}),
            r"The halves of 1 layer do not fit each other: .* \(A \[4, 15360\], B \[3072, 5\]\)",
        ),
        (
            lambda t: t.update({f"{FEW[0]}.lora_A.weight": np.ones((4, 3072), np.float16)}),
            r"1 layers have not the shape of FLUX\.1-dev's: .* \(3072 to 3072\)",
        ),
        (
            lambda t: t.update({f"{FEW[0]}.lora_A.weight": np.ones((4, 15360), np.int16)}),
            r"Weights are numbers with a fraction; these are I16\.",
        ),
        (lambda t: t.update({"junk": np.ones(3, np.float16)}), r"1 tensors belong to no LoRA pair"),
    ],
)
def test_each_fault_of_a_file_has_its_own_words(
    tmp_path: Path, change: Callable[[Tensors], object], says: str
) -> None:
    path = changed(write_lora(tmp_path / "a.safetensors"), change)
    with pytest.raises(AssertionError, match=says):
        problems = check(inspect(path))
        raise AssertionError("\n".join(problems))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda b: b[:-1000], "are cut short: their header declares 294,912 bytes .* 293,912"),
        (lambda b: b + b"more", "run on past their end"),
        (lambda b: b[:100], "do not open as safetensors: a header of"),
        (lambda b: b"", "do not open as safetensors"),
        (lambda b: b[:8] + b"}" + b[9:], "do not open as safetensors"),
        (lambda b: b.replace(b'"F16"', b'"F32"', 1), r"gives .* bytes; F32 of shape"),
        (lambda b: struct.pack("<Q", 1 << 40) + b[8:], "a header of 1,099,511,627,776 bytes"),
    ],
)
def test_a_file_that_is_not_whole_does_not_open(
    tmp_path: Path, spoil: Callable[[bytes], bytes], says: str
) -> None:
    path = write_lora(tmp_path / "a.safetensors")
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(BadArchive, match=says):
        inspect(path)


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        {"a": 1},
        {"a": {"dtype": "F16", "shape": [1], "data_offsets": [0]}},
        {"a": {"dtype": "F16", "shape": [-1], "data_offsets": [0, 2]}},
        {"a": {"dtype": "F16", "shape": [True], "data_offsets": [0, 2]}},
        {"a": {"dtype": "F16", "shape": [1], "data_offsets": [2, 4]}},
        {"a": {"dtype": "I8", "shape": [1], "data_offsets": [1, 0]}},
        {
            "a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]},
            "b": {"dtype": "F16", "shape": [1], "data_offsets": [1, 3]},
        },
        {"__metadata__": [], "a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}},
    ],
)
def test_a_header_that_does_not_hold_together_is_refused(tmp_path: Path, header: Any) -> None:
    with pytest.raises(BadArchive, match="header"):
        inspect(raw(tmp_path / "a.safetensors", header, b"\0\0"))


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_whatever_the_bytes_are_they_are_refused_in_our_words(data: bytes) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with pytest.raises(BadArchive):
            inspect(Path(file.name))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_norms_and_sha256_are_those_of_the_whole_file(tmp_path: Path, dtype: Any) -> None:
    """Over more than one buffer, with zeros, subnormals and the largest values."""
    path = tmp_path / "a.safetensors"
    values = np.random.default_rng(5).normal(size=(5, 70_000)).astype(dtype)
    values[0, :5] = [0, -0.0, 6e-8, -3e-5, 65504]
    save_file({"x": values}, path)
    facts = tensors.read(path)
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert values.nbytes > tensors.CHUNK
    assert facts.tensors[0].norm == pytest.approx(
        float(np.linalg.norm(values.astype(np.float64))), rel=1e-5
    )


@pytest.mark.parametrize(
    ("dtype", "data", "norm"),
    [
        ("BF16", struct.pack("<2H", 0x3F80, 0xC000), math.sqrt(5)),  # 1, -2
        ("BF16", struct.pack("<2H", 0x3F80, 0x7FC0), math.nan),
        ("BF16", struct.pack("<2H", 0x7F00, 0x7F00), math.sqrt(2) * 2.0**127),
        ("F8_E5M2", bytes((0x3C, 0xC0)), math.sqrt(5)),
        ("F8_E5M2", bytes((0x7C, 0)), math.nan),  # infinite
        ("F8_E4M3", bytes((0x38, 0xC0)), math.sqrt(5)),
        ("F8_E4M3", bytes((0x7E, 1)), math.hypot(448, 2**-9)),  # the largest, the smallest
        ("F8_E4M3", bytes((0xFF, 0)), math.nan),
        ("F32", struct.pack("<2f", 1, math.inf), math.nan),
        ("F16", struct.pack("<2e", 2**-24, 0), 2.0**-24),
    ],
)
def test_every_floating_type_is_read_by_its_own_bits(
    tmp_path: Path, dtype: str, data: bytes, norm: float
) -> None:
    header = {"x": {"dtype": dtype, "shape": [2], "data_offsets": [0, len(data)]}}
    found = tensors.read(raw(tmp_path / "a.safetensors", header, data)).tensors[0]
    assert found.norm == pytest.approx(norm, nan_ok=True)
    assert (found.not_finite > 0) == math.isnan(norm)


def test_pairs_are_found_in_every_naming_and_alphas_belong_to_them() -> None:
    names = (
        *("m.lora_A.weight", "m.lora_B.weight", "n.lora_A.default.weight"),
        *("n.lora_B.default.weight", "o.lora_down.weight", "o.lora_up.weight", "o.alpha"),
        *("p.lora.down.weight", "p.lora.up.weight", "q.alpha", "r.lora_B.weight"),
    )
    found = sort_names(names)
    assert [(p.module, p.naming) for p in found.pairs] == [
        ("m", "peft"),
        ("n", "peft"),
        ("o", "kohya"),
        ("p", "diffusers"),
    ]
    assert found.strangers == ("q.alpha", "r.lora_B.weight")
    assert [p.alpha for p in found.pairs] == [None, None, "o.alpha", None]


def test_the_picture_has_a_sign_a_block_and_shows_dead_missing_and_broken_ones() -> None:
    def layer(number: int, norm: float) -> Layer:
        return Layer(f"transformer.single_transformer_blocks.{number}.proj_out", 1, 1, 1, 1, norm)

    drawn = list(picture([layer(0, 1.0), layer(1, 0.5), layer(2, 0.0), layer(4, math.nan)]))
    assert drawn == [("single_transformer_blocks", "proj_out", "█▅0·!")]


def test_the_command_fails_where_the_file_does_and_says_all_of_it(tmp_path: Path) -> None:
    path = write_lora(tmp_path / "a.safetensors", rank=16)
    runner = CliRunner()
    good = runner.invoke(app, ["weights", "inspect", str(path), "--rank", "16"])
    assert good.exit_code == 0
    assert "rank 16 · 2 layers" in good.output
    assert f"\nsha256 {hashlib.sha256(path.read_bytes()).hexdigest()}\n" in good.output
    bad = runner.invoke(app, ["weights", "inspect", str(path), "--rank", "48", "--json"])
    assert bad.exit_code == 1
    told = json.loads(bad.output)
    assert not told["ok"]
    assert told["layers"][0]["rank"] == 16
    wrong_rank, wrong_size = told["problems"]
    assert wrong_rank == "Rank 48 was asked for and the weights have rank 16."
    assert wrong_size.startswith("Rank 48 over 2 modules takes 3,538,944 bytes")


def test_the_command_says_of_a_broken_value_that_it_is_none_in_json(tmp_path: Path) -> None:
    path = changed(
        write_lora(tmp_path / "a.safetensors"),
        lambda t: t[f"{FEW[0]}.lora_B.weight"].__setitem__((0, 0), np.nan),
    )
    told = CliRunner().invoke(app, ["weights", "inspect", str(path), "--json"])
    assert told.exit_code == 1
    assert [layer["norm_b"] is None for layer in json.loads(told.output)["layers"]].count(True) == 1
