"""Weights files, broken or hostile: facts, or BadArchive; what is said of them can be kept and shown."""

from __future__ import annotations

import io
import json
import math
import random
import struct
from pathlib import Path
from typing import Any

from benchmarks.mutants.changes import TEXTS, as_json, bytes_changed, odd, value_changed
from safelight.cli import console
from safelight.cli.weights import _json, _show
from safelight.db.jsons import dumps
from safelight.domain.lora import by_block
from safelight.stages import importing, weights

MODULES = (
    ("transformer.single_transformer_blocks.7.proj_out", ".lora_A.weight", ".lora_B.weight"),
    ("base_model.model.transformer_blocks.3.attn.to_q", ".lora_A.x.weight", ".lora_B.x.weight"),
    ("lora_unet_double_blocks_3_img_attn_proj", ".lora_down.weight", ".lora_up.weight"),
    ("double_blocks.3.processor.qkv_lora1", ".down.weight", ".up.weight"),
    ("lora_te1_text_model_encoder_layers_0_mlp_fc1", ".lora_down.weight", ".lora_up.weight"),
    ("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k", ".lora_down.weight",
     ".lora_up.weight"),
)  # fmt: skip
BESIDE = (
    ".alpha", ".alpha", ".dora_scale", ".lora_mid.weight", ".lokr_w1", ".hada_w1_a", ".oft_R.weight", ".diff",
    ".diff_b", ".lora_B.bias", ".junk",
)  # fmt: skip
WIDTHS = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8, "I64": 8, "F8_E4M3": 1, "U8": 1, "I4": 1}
NOTES = {
    "ss_network_dim": "4",
    "ss_network_alpha": "1.0",
    "ss_tag_frequency": '{"1_TOK": {"TOK": 1}}',
    "lora_adapter_metadata": '{"transformer.r": 4, "transformer.lora_alpha": 8}',
    "modelspec.architecture": "flux-1-dev/lora",
}


def mutant(source: random.Random) -> bytes:
    """A file of a few small layers of any naming."""
    header: dict[str, Any] = {}
    data = b""

    def add(name: str, dtype: str, shape: list[int]) -> None:
        nonlocal data
        size = WIDTHS[dtype] * math.prod(shape)
        header[name] = {
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [len(data), len(data) + size],
        }
        ones = b"\x00\x3c" * (size // 2 + 1)
        data += source.choice((ones, ones, ones, bytes(size), source.randbytes(size)))[:size]

    for module, end_a, end_b in source.sample(MODULES, source.choice((1, 2, 6))):
        rank, dtype = source.choice((1, 2, 8)), source.choice(("F16", "F16", *WIDTHS))
        conv = [source.choice((1, 3))] * 2 if source.random() < 0.1 else []
        add(module + end_a, dtype, [rank, 16, *conv])
        add(module + end_b, dtype, [8, rank, *([1, 1] if conv else [])])
        for end in source.sample(BESIDE, source.choice((0, 1, 3))):
            add(module + end, source.choice(tuple(WIDTHS)), source.choice(([], [1], [4], [2, 2])))
    if source.random() < 0.7:
        header["__metadata__"] = {k: v for k, v in NOTES.items() if source.random() < 0.5}
        if source.random() < 0.3:
            header["__metadata__"][source.choice(tuple(NOTES))] = source.choice(
                (source.choice(TEXTS), json.dumps(odd(source), default=str), "[" * 50_000)
            )
    for _ in range(source.choice((0, 0, 1, 1, 2, 4))):
        changed = value_changed(header, source)
        header = changed if isinstance(changed, dict) else header
    return _file(header, data, source)


def file_of(shapes: dict[str, list[int]]) -> bytes:
    """A whole file of fp16 tensors, every number in it one."""
    header, place = {}, 0
    for name, shape in shapes.items():
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\x00\x3c" * (place // 2)


def _file(header: dict[str, Any], data: bytes, source: random.Random) -> bytes:
    text = as_json(header)
    what = source.random()
    if what < 0.1:
        text = bytes_changed(text, source)
    elif what < 0.15:
        text = source.choice(
            (b"[" * 100_000, b'{"a":' * 50_000, b"{" + text[1:-1] + b"," + text[1:])
        )
    length = len(text)
    if source.random() < 0.05:
        length = source.choice((0, 1, 2**31, 2**63, 2**64 - 1, length + 1, length - 1)) % 2**64
    whole = struct.pack("<Q", length) + text + data
    return bytes_changed(whole, source) if source.random() < 0.2 else whole


def prepare() -> None:
    """What is shown goes nowhere: it is looked at that it can be."""
    console.out.file = io.StringIO()


def read(path: Path) -> str:
    """As an import does, and as the command shows it."""
    facts = weights.inspect(path)
    problems = weights.check(facts, 4)
    for said in (*problems, *facts.notes):
        assert said.isprintable(), said[:200]
        assert len(said) < 2000
        said.encode()
    dumps(_json(facts)).encode()
    _show(facts)
    dumps(by_block(facts.layers))
    importing._trigger(None, path, {})
    found = importing.known(importing.Found(file=path, facts=facts), given="x.safetensors")
    dumps(found).encode()
    return "whole" if not facts.problems else "faulty"
