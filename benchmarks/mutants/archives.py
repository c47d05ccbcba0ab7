"""The trainer's archive, broken or hostile: read, or BadArchive; nothing is written but the weights."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
from pathlib import Path

import yaml

from benchmarks.mutants import configs, weights
from benchmarks.mutants.changes import TEXTS, bytes_changed
from safelight.db.jsons import dumps
from safelight.stages.archives import unpack
from safelight.stages.weights import inspect, verify

FOLDER = "output/flux_train_replicate"
MODULE = "transformer.single_transformer_blocks.7.proj_out"
LORA = weights.file_of(
    {f"{MODULE}.lora_A.weight": [1, 15360], f"{MODULE}.lora_B.weight": [3072, 1]}
)
CONFIG = yaml.safe_dump(configs.WHOLE).encode()
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
KINDS = (
    b"0",
    b"\0",
    b"1",
    b"2",
    b"3",
    b"5",
    b"6",
    b"7",
    b"L",
    b"K",
    b"x",
    b"g",
    b"S",
    b"X",
    b"V",
    b"M",
    b"?",
)
SIZES = (
    b"0" * 11 + b"\0", b"77777777777\0", b"99999999999\0", b"-0000000001\0", b" " * 12, b"\0" * 12,
    b"\xff" * 12,
    b"\x80" + b"\0" * 3 + b"\x40" + b"\0" * 7, b"\x80" + b"\xff" * 11, b"\xff" * 11 + b"\0", b"00000001000\0",
)  # fmt: skip
NOTES = (
    b"30 path=../../../../etc/passwd\n", b"20 size=99999999999\n", b"12 size=-99\n",
    b"30 GNU.sparse.size=99999999\n", b"9" * 3000, b"0 \n", b"6 a=b\n" * 400, b"25 GNU.sparse.major=99999\n",
    b"19 hdrcharset=BIN\n", b"x" * 70_000,
)  # fmt: skip


def mutant(source: random.Random) -> bytes:
    """An archive with weights, a config and captions in it, each of which may be a mutant too."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=source.choice(FORMATS)) as archive:
        for name, data in _members(source):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            if source.random() < 0.05:
                member.type, member.linkname = source.choice(KINDS), "/etc/passwd"
            try:
                archive.addfile(member, io.BytesIO(data))
            except (UnicodeEncodeError, ValueError):
                continue
    whole = bytearray(held.getvalue())
    for _ in range(source.choice((0, 1, 1, 3))):
        _change_a_header(whole, source)
    data = bytes(whole)
    what = source.random()
    if what < 0.1:
        data = source.choice((gzip.compress, bz2.compress, lzma.compress))(data[:50_000])
    elif what < 0.4:
        data = bytes_changed(data, source)
    return data


def _members(source: random.Random) -> list[tuple[str, bytes]]:
    lora = weights.mutant(source) if source.random() < 0.3 else LORA
    members = [(f"{FOLDER}/lora.safetensors", lora)]
    if source.random() < 0.8:
        config = configs.mutant(source) if source.random() < 0.7 else CONFIG
        members.append((f"{FOLDER}/config.yaml", config))
    for number in range(source.choice((0, 1, 5, 50))):
        word = source.choice(TEXTS)[:200] if source.random() < 0.2 else f"{number:04d}"
        members.append((f"{FOLDER}/captions/{word}.txt", b"photo of TOK"))
    if source.random() < 0.1:
        members.append(source.choice(members))
    source.shuffle(members)
    return members


def _change_a_header(whole: bytearray, source: random.Random) -> None:
    """One field of one header, its sum right again, so that it is believed."""
    starts = [at for at in range(0, len(whole), 512) if whole[at + 257 : at + 262] == b"ustar"]
    if not starts:
        return
    at = source.choice(starts)
    what = source.random()
    if what < 0.35:
        whole[at + 124 : at + 136] = source.choice(SIZES)
    elif what < 0.6:
        whole[at + 156 : at + 157] = source.choice(KINDS)
    elif what < 0.8:
        word = source.choice(TEXTS).encode("utf-8", "surrogatepass")[:100]
        whole[at : at + 100] = word.ljust(100, b"\0")
    else:
        notes = source.choice(NOTES)
        member = tarfile.TarInfo("././@PaxHeader")
        member.type, member.size = source.choice((b"x", b"g", b"L")), len(notes)
        whole[at:at] = member.tobuf(tarfile.USTAR_FORMAT) + notes.ljust(
            -(-len(notes) // 512) * 512, b"\0"
        )
    head = whole[at : at + 512]
    head[148:156] = b" " * 8
    whole[at + 148 : at + 156] = b"%06o\0 " % sum(head)


def read(path: Path) -> str:
    """As a worker does with what it has paid for."""
    folder = path.parent / "unpacked"
    folder.mkdir()
    found = unpack(path, folder)
    assert [there.name for there in folder.iterdir()] == ["lora.safetensors"]
    if found.effective is not None:
        dumps(found.effective).encode()
    verify(inspect(found.weights), rank=1, effective=found.effective, asked=f"{MODULE}$")
    return "read"
