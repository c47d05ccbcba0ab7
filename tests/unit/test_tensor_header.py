"""The header of a weights file is whatever its maker wrote: it is held to bounds before it is believed."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from safelight.domain.errors import BadArchive, CancelAsked
from safelight.domain.plain_json import NotPlain, parse
from safelight.domain.provider import RemoteRun, RemoteStatus
from safelight.scratch import OwnDisk
from safelight.stages import importing, tensors
from tests.support.bounded import bounded
from tests.support.lora import numbers, pairs, write

A = "transformer.single_transformer_blocks.0.proj_out.lora_A.weight"


def made(path: Path, header: Any, data: bytes = bytes(8)) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(**more: Any) -> dict[str, Any]:
    return {A: {"dtype": "F16", "shape": [1, 4], "data_offsets": [0, 8], **more}}


ODD = json.dumps(entry())


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (entry(shape=[2**62] * 100_000), "no list of at most 8 whole numbers"),
        (entry(shape=[1] * 9), "no list of at most 8"),
        (entry(shape=[2**62, 2**62]), "F16 of shape .* takes"),
        (entry(shape=[2**63]), "no list of at most 8"),
        (entry(shape=[1.0, 4.0]), "its shape is no list"),
        (entry(shape=[True, 4]), "its shape is no list"),
        (entry(shape="14"), "its shape is no list"),
        (entry(shape=None), "its shape is no list"),
        (entry(dtype=["F16"]), "its type is no word"),
        (entry(dtype=None), "its type is no word"),
        (entry(dtype="F" * 1000), "its type is no word"),
        (entry(data_offsets=[0, 8, 9]), "its place is no pair"),
        (entry(data_offsets=[0, 10**400]), "its place is no pair"),
        (entry(data_offsets={"a": 1}), "its place is no pair"),
        (entry(dtype="I64"), "I64 of shape .* takes 32"),
        ({A: 5}, "its type is no word"),
        ({A: [[[]]]}, "its type is no word"),
        (ODD.replace("8]", "1" + "0" * 5000 + "]").encode(), "it is no JSON"),
        (f"{{{ODD[1:-1]}, {ODD[1:-1]}}}".encode(), "a name is in it twice"),
        (ODD.replace('"shape"', '"shape": [4, 1], "shape"').encode(), "a name is in it twice"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "it is too deep"),
        (b"[" * 300_000, "it opens 300,000 tables and lists"),
        (b'{"a": NaN}', "NaN is no number of JSON"),
        (b'{"\xff": 1}', "it is no JSON"),
        ('{"a": 1}'.encode("utf-16"), "it is no JSON"),
        (b"\xef\xbb\xbf" + ODD.encode(), "it is no JSON"),
        ({f"t{n}": {} for n in range(50_001)}, "names 50,001 tensors"),
        ({"x" * 501: {}}, "a name of 501 characters"),
        ({"\x1b[31m\ud800": {}}, r"wrong about \\x1b\[31m\\ud800"),
    ],
)
def test_a_header_beyond_its_bounds_is_refused_in_our_words(
    tmp_path: Path, header: Any, says: str
) -> None:
    with pytest.raises(BadArchive, match=says) as caught:
        tensors.read(made(tmp_path / "x.safetensors", header))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"PK\x03\x04", "a file of PyTorch's own"),
        (b"\x80\x02ctorch", "a pickle"),
        (b"GGUF\x03", "GGUF"),
        (b"\x1f\x8b\x08", "a gzip file: unpack it first"),
        (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
        (b"<!DOCTYPE html>", "a web page"),
    ],
)
def test_what_is_no_safetensors_file_is_told_by_what_it_looks_like(
    tmp_path: Path, head: bytes, says: str
) -> None:
    (tmp_path / "x").write_bytes(head + bytes(100))
    with pytest.raises(BadArchive, match=f"do not open as safetensors.* It looks like {says}"):
        tensors.read(tmp_path / "x")


def test_a_file_of_ours_that_cannot_be_read_is_no_fault_of_the_weights(tmp_path: Path) -> None:
    with pytest.raises(OwnDisk):
        tensors.read(tmp_path / "swept-away.safetensors")


def test_reading_stops_where_the_job_is_not_ours_any_more(tmp_path: Path) -> None:
    class Pulse:
        def check(self) -> None:
            raise CancelAsked

    with pytest.raises(CancelAsked):
        tensors.read(write(tmp_path / "x.safetensors", pairs({"a": (4, 4)})), Pulse())


def test_a_file_with_a_hole_of_exabytes_is_not_read(tmp_path: Path) -> None:
    size = 2**42
    path = made(tmp_path / "x", entry(shape=[size // 2], data_offsets=[0, size]), b"")
    with path.open("r+b") as file:
        file.truncate(file.seek(0, 2) + size)
    with pytest.raises(BadArchive, match=r"bytes; at most 34,359,738,368 are read"):
        tensors.read(path)
    with pytest.raises(BadArchive, match="can be kept"):
        importing._facts(path)


def test_notes_of_a_header_are_texts_or_nothing(tmp_path: Path) -> None:
    notes = {"a": "b", "n": 5, "x": 0.5, "l": [1], "d": {"e": 1}, "none": None}
    path = made(tmp_path / "x.safetensors", {"__metadata__": notes, **entry()})
    assert tensors.notes(path) == {"a": "b", "n": "5", "x": "0.5"}
    assert tensors.read(path).metadata == tensors.notes(path)


READ = """
import pathlib, time
from safelight.domain.errors import SafelightError
from safelight.stages import importing, weights
limit(MEMORY, FILE)
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    began = time.process_time()
    try:
        facts = weights.inspect(path)
        importing._trigger_in(path)
        importing.known(importing.Found(file=path, facts=facts), given=path.name)
        told = "read"
    except SafelightError as error:
        told = type(error).__name__
    assert time.process_time() - began < 10, path
    print(path.name, told)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="its memory is limited by way of /proc")
def test_the_worst_headers_take_little_memory_and_little_time(tmp_path: Path) -> None:
    most = 10_000_000
    many = {
        f"t{n}": {"dtype": "U8", "shape": [], "data_offsets": [n, n + 1]} for n in range(20_000)
    }
    worst: dict[str, Any] = {
        "lists": b'{"a":[' + b"[]," * (most // 3) + b"[]]}",
        "tables": b'{"a":[' + b"{}," * (most // 3) + b"{}]}",
        "ones": b'{"a":[' + b"1," * (most // 2) + b"1]}",
        "texts": b'{"a":[' + b'"ab",' * (most // 5) + b'"ab"]}',
        "deep": b'{"a":' * (most // 10),
        "spaces": b" " * most,
        "dims": entry(shape=[2**62] * 100_000),
        "many": {**many, "pad": {"dtype": "U8", "shape": [], "data_offsets": [20_000, 20_001]}},
        "tags": {"__metadata__": {"ss_tag_frequency": "[" * 3_000_000}, **entry()},
    }
    for name, header in worst.items():
        made(tmp_path / name, header, bytes(20_001) if name == "many" else bytes(8))
    names = {f"a_{n}_{'x' * 150}.lora_A.weight": (8, 8) for n in range(10_000)}
    write(tmp_path / "names", {name: numbers(1) for name in names})
    told = dict(
        line.split() for line in bounded(READ, str(tmp_path), memory=300_000_000).splitlines()
    )
    assert told.pop("names") == "BadArchive", "halves without the other"
    assert told == dict.fromkeys(worst, "BadArchive")


# JSON within bounds.


def test_plain_json_is_read_as_the_library_reads_it() -> None:
    text = '{"a": [1, 2.5, null, true, "x"], "b": {"c": {}}}'
    assert parse(text, most=100, nodes=4) == json.loads(text)
    assert parse(text.encode(), most=100, nodes=4, unique=True) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x" * 101, "at most 100 are read"),
        ("[[[[[]]]]]", "opens 5 tables and lists"),
        ("[Infinity]", "Infinity is no number"),
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" + "9" * 98 + "]", None),
    ],
)
def test_json_beyond_its_bounds_is_refused(text: str, says: str | None) -> None:
    if says is None:
        parse(text, most=100, nodes=4)
    else:
        with pytest.raises(NotPlain, match=says):
            parse(text, most=100, nodes=4)


# Triggers out of a file or a run.


@pytest.mark.parametrize(
    ("tags", "trigger"),
    [
        ('{"1_ohwx": {"ohwx": 1}}', "ohwx"),
        ('{"1_x": {"ohwx person": 1}}', "ohwx person"),
        ('{"1_x": {"a": 1, "b": 2}}', None),
        ('{"1_x": {"a": 1}, "2_x": {"a": 1}}', "a"),
        ('{"1_x": "a"}', None),
        ('{"1_x": ["a"]}', None),
        ('{"a": 5}', None),
        ("[]", None),
        ("[" * 100_000, None),
        (json.dumps({"1_x": {"\x1b[31m\nX": 1}}), None),
        (json.dumps({"1_x": {"\u202egnp": 1}}), None),
        (json.dumps({"1_x": {"\ud800": 1}}), None),
        (json.dumps({"1_x": {" x": 1}}), None),
        (json.dumps({"1_x": {"": 1}}), None),
        (json.dumps({"1_x": {"x" * 101: 1}}), None),
    ],
)
def test_a_trigger_in_a_files_header_is_believed_where_it_can_be_one(
    tmp_path: Path, tags: str, trigger: str | None
) -> None:
    path = write(tmp_path / "x.safetensors", pairs({"a": (4, 4)}), ss_tag_frequency=tags)
    assert importing._trigger(None, path, {}) == trigger


def run_with(trigger: object) -> RemoteRun:
    return RemoteRun(
        id="r", status=RemoteStatus.SUCCEEDED, model=None, version=None,
        input={"trigger_word": trigger}, output=None, logs=None, error=None, created_at=None,
        started_at=None, completed_at=None, predict_seconds=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "trigger"),
    [
        ("TOK", "TOK"),
        (5, None),
        ({"a": 1}, None),
        (["TOK"], None),
        ("x\x00y", None),
        ("x\ny", None),
        ("x" * 10_000, None),
        ("\x1b]0;t\x07", None),
    ],
)
def test_a_trigger_that_a_run_tells_is_believed_where_it_can_be_one(
    told: object, trigger: str | None
) -> None:
    missing: dict[str, str] = {}
    assert importing._trigger(run_with(told), None, missing) == trigger
    assert ("trigger" in missing) is (trigger is None)
    if trigger is None:
        assert "which is no word" in missing["trigger"]
        assert len(missing["trigger"]) < 200
        assert missing["trigger"].isprintable()
