"""The trainer's own config tells what was really used, and never costs the weights beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.db.jsons import dumps
from safelight.domain.differences import columns, different
from safelight.domain.trainer_inputs import modules
from safelight.local.emulator.archive import _config
from safelight.stages import weights
from safelight.stages.trainer_config import MAX_BYTES, Config, read, trained_only
from tests.support.weights import FEW, write_archive, write_lora


def process(text: str) -> Config:
    return read(f"config: {{process: [{text}]}}".encode())


def test_the_trainers_config_is_read_as_the_yaml_library_reads_it() -> None:
    made = _config({"learning_rate": 8e-5, "trigger_word": "TOK: a", "lora_rank": 48}, FEW)
    for style in (None, True, False):
        text = yaml.safe_dump(made, default_flow_style=style, width=60)
        assert read(text.encode()) == Config(made["config"]["process"][0])


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1400", 1400),
        ("-3", -3),
        ("0", 0),
        ("0.0004", 0.0004),
        ("8.0e-05", 8e-5),
        (".5", 0.5),
        ("'12'", "12"),
        ('"a\\nb"', "a\nb"),
        ("yes", True),
        ("off", False),
        ("~", None),
        ("", None),
        ("'null'", "null"),
        ("2026-01-01", "2026-01-01"),
        ("2026-99-99", "2026-99-99"),
        (".nan", ".nan"),
        ("-.inf", "-.inf"),
        ("1.0e+400", "1.0e+400"),
        ("9" * 30, "9" * 30),
        ("9" * 5000, "9" * 5000),
        ("+-5", "+-5"),
        ("0x10", "0x10"),
        ("010", "010"),
        ("1:30", "1:30"),
        ("<<", "<<"),
        ('"x\\0y"', "x\ufffdy"),
        ("! 5", "5"),
    ],
)
def test_what_json_can_keep_is_a_value_and_all_else_stays_as_it_was_written(
    written: str, value: object
) -> None:
    found = process(f"{{a: {written}}}").process
    assert found == {"a": value}
    assert found is not None
    assert type(found["a"]) is type(value)
    assert json.loads(dumps(found)) == found


def test_keys_that_are_no_texts_become_texts() -> None:
    assert process("{1: 2, null: 3, 2026-01-01: 4}").process == {"1": 2, "null": 3, "2026-01-01": 4}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("config: {process: [&a {b: *a}]}", "has an alias"),
        ("config: {process: [{a: &a [1], b: *a}]}", "has an alias"),
        ("config: {process: [{a: !!binary aGVsbG8=}]}", "has the tag"),
        ("config: {process: [!!python/object/apply:os.system ['touch x']]}", "has the tag"),
        ("config: {process: [{a: !!set {x, y}}]}", "has the tag"),
        ("config: {process: [{? [a, b] : 3}]}", "a key that is no text"),
        (f"config: {{process: [{{a: {'[' * 60}{']' * 60}}}]}}", "over 50 levels deep"),
        ("[" * 100_000, "over 50 levels deep"),
        (f"config: {{process: [[{'1, ' * 30_000}]]}}", "over 20,000 values"),
        (f"config: {{process: [{{a: {'x' * 30_000}}}]}}", "a text of 30,000 characters"),
        ("x" * (MAX_BYTES + 1), "at most 262,144 are read"),
        ("config: [", "no YAML in line"),
        ("\t\t: :", "no YAML"),
        ("", "it is empty"),
        ("[1]", "no config.process"),
        ("config: 5", "no config.process"),
        ("config: {process: []}", "no config.process"),
        ("config: {process: [abc]}", "is no table"),
    ],
)
def test_a_config_that_cannot_be_read_is_none_and_it_is_said_why(text: str, why: str) -> None:
    found = read(text.encode())
    assert found.process is None
    assert why in str(found.fault)


def test_bytes_that_are_no_text_are_no_config() -> None:
    for text in (
        b"config: \xff\xfe",
        "config: \u00fc".encode("latin-1"),
        bytes(100),
        b"\xff\xfe\0",
    ):
        assert read(text).process is None


@given(
    st.one_of(
        st.binary(max_size=200), st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace"))
    )
)
@settings(max_examples=300, deadline=None)
def test_whatever_is_in_it_reading_raises_nothing_and_what_is_found_can_be_kept(
    data: bytes,
) -> None:
    for text in (data, b"config: {process: [{a: " + data + b"}]}"):
        found = read(text).process
        if found is not None:
            dumps(found)
            different(columns({"parameters": {}}, {}, found, images=None))
            weights.expected_modules(found)


@pytest.mark.parametrize(
    ("text", "only"),
    [
        ("{network: {network_kwargs: {only_if_contains: [a, b]}}}", ("a", "b")),
        ("{network: {network_kwargs: {only_if_contains: []}}}", ()),
        ("{network: {network_kwargs: {}}}", ()),
        ("{network: {linear: 4}}", ()),
        ("{steps: 4}", ()),
        ("{network: abc}", None),
        ("{network: {network_kwargs: 5}}", None),
        ("{network: {network_kwargs: {only_if_contains: 5}}}", None),
        ("{network: {network_kwargs: {only_if_contains: [5]}}}", None),
    ],
)
def test_the_layers_that_were_trained_are_told_or_not_known(
    text: str, only: tuple[str, ...] | None
) -> None:
    assert trained_only(process(text).process) == only


def test_a_config_that_does_not_tell_leaves_what_was_sent_to_say_which_layers_were_trained() -> (
    None
):
    """Weights that are right are kept, whatever lies beside them."""
    sent = r"blocks\.(7|12)\.proj_out$"
    odd = {"network": {"network_kwargs": {"only_if_contains": 5}}}
    none = {"network": {"network_kwargs": {"only_if_contains": ["nowhere"]}}}
    for effective in (None, odd, none, {"network": "abc"}):
        assert len(weights.expected_modules(effective, sent)) == 2
        assert len(weights.expected_modules(effective)) == len(modules())
    told = {"network": {"network_kwargs": {"only_if_contains": [FEW[0]]}}}
    assert weights.expected_modules(told, sent) == (FEW[0],)
    assert len(weights.expected_modules(None, "(")) == len(modules())


def test_weights_beside_a_config_that_cannot_be_read_are_verified_by_what_was_sent(
    tmp_path: Path,
) -> None:
    lora = write_lora(tmp_path / "l")
    archive = write_archive(tmp_path / "a.tar", lora, config=False)
    unpacked = weights.unpack(archive, tmp_path)
    assert unpacked.config_fault == "There is no config.yaml in the archive."
    facts = weights.inspect(unpacked.weights)
    weights.verify(facts, rank=4, effective=None, asked="|".join(FEW))
