"""What we stored may have been changed since: a zip and a document are read back within bounds."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from safelight.flow.audit import _document, see
from safelight.scratch import OwnDisk
from safelight.stages import unzipping
from safelight.stages.unzipping import members
from safelight.stages.zipping import ZipEntry, write_zip
from tests.support.bounded import bounded

JPEG, TEXT = b"\xff\xd8" + bytes(300), b"photo of TOK"
ENTRIES = [ZipEntry("0000.jpg", JPEG), ZipEntry("0000.txt", TEXT)]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def ours(path: Path) -> Path:
    write_zip(path, ENTRIES)
    return path


def zipped(path: Path, kind: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def changed(path: Path, change: Callable[[bytearray], object]) -> Path:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    return path


def test_what_we_wrote_is_read_back_by_hash(tmp_path: Path) -> None:
    assert members(ours(tmp_path / "a.zip")) == {"0000.jpg": sha(JPEG), "0000.txt": sha(TEXT)}


def test_a_member_that_was_changed_has_no_hash(tmp_path: Path) -> None:
    path = changed(ours(tmp_path / "a.zip"), lambda b: b.__setitem__(60, b[60] ^ 1))
    found = members(path)
    assert found == {"0000.jpg": "its checksum does not fit", "0000.txt": sha(TEXT)}


def test_a_zip_with_much_in_little_is_not_inflated(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", zipfile.ZIP_DEFLATED, **{"0000.jpg": bytes(200_000_000)})
    assert path.stat().st_size < 300_000
    assert members(path) == {"0000.jpg": "it is compressed"}


def test_a_member_that_is_encrypted_is_said_to_be(tmp_path: Path) -> None:
    def encrypt(data: bytearray) -> None:
        data[6] |= 1  # the member's own header, then the list's
        data[data.rindex(b"PK\1\2") + 8] |= 1

    path = changed(zipped(tmp_path / "a.zip", a=b"secret"), encrypt)
    assert members(path) == {"a": "it is encrypted"}


def test_a_member_that_is_there_twice_is_neither(tmp_path: Path) -> None:
    """Which of the two a trainer takes is anybody's guess."""
    path = zipped(tmp_path / "a.zip", a=b"one")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a", b"two")
    assert members(path) == {"a": "it is there twice"}


def test_members_that_lie_over_each_other_are_no_zip_of_ours(tmp_path: Path) -> None:
    """A thousand names for the same bytes."""
    data = zipped(tmp_path / "a.zip", a=bytes(10_000)).read_bytes()
    begin, end = data.rindex(b"PK\1\2"), data.rindex(b"PK\5\6")
    listed = data[begin:end] * 1000
    tail = data[end : end + 8] + struct.pack("<HHIIH", 1000, 1000, len(listed), begin, 0)
    (tmp_path / "a.zip").write_bytes(data[:begin] + listed + tail)
    assert members(tmp_path / "a.zip") is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"PK\5\6" + bytes(18),
        b"PK\5\6" + b"\xff" * 18,
        b"x" * 100_000,
    ],
)
def test_what_is_no_zip_holds_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    assert not members(tmp_path / "a.zip")


@pytest.mark.parametrize("cut", range(1, 400, 7))
def test_a_zip_that_is_cut_short_raises_nothing(tmp_path: Path, cut: int) -> None:
    path = ours(tmp_path / "a.zip")
    path.write_bytes(path.read_bytes()[:-cut])
    members(path)


@pytest.mark.parametrize("value", [0, 1, 0x7F, 0xFF])
def test_a_zip_whose_list_was_changed_byte_by_byte_raises_nothing(
    tmp_path: Path, value: int
) -> None:
    data = ours(tmp_path / "a.zip").read_bytes()
    for place in range(data.index(b"PK\1\2"), len(data)):
        path = tmp_path / "b.zip"
        path.write_bytes(data[:place] + bytes([value]) + data[place + 1 :])
        members(path)


def test_more_members_than_a_set_has_photos_are_no_zip_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unzipping, "MAX_MEMBERS", 1)
    assert members(ours(tmp_path / "a.zip")) is None


def test_a_fault_of_our_own_disk_is_not_the_zips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(unzipping._Bounded, "_all", broken)
    with pytest.raises(OwnDisk):
        members(ours(tmp_path / "a.zip"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b'{"a": [1]}', {"a": [1]}),
        (b"", None),
        (b"{", None),
        (b"\xff", None),
        (b'{"a": NaN}', None),
        (b"[" * 100_000, None),
        (b"[" + b"[]," * 300_000 + b"[]]", None),
    ],
)
def test_a_document_is_what_it_says_or_none(tmp_path: Path, text: bytes, says: object) -> None:
    (tmp_path / "a.json").write_bytes(text)
    assert _document(tmp_path / "a.json") == says


READ = """
import pathlib, time
from safelight.flow.audit import _document
from safelight.stages.unzipping import members
limit(MEMORY, FILE)
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    began = time.process_time()
    told = members(path) if path.suffix == ".zip" else _document(path)
    assert time.process_time() - began < 10, path
    print(path.name, told is None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="its memory is limited by way of /proc")
def test_the_worst_zips_and_documents_take_little_memory(tmp_path: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for number in range(60_000):
            archive.writestr(f"{number:08d}", b"")
    (tmp_path / "many.zip").write_bytes(held.getvalue())
    # The list of members says that it has the rest of the file, and that is two gigabytes.
    with (tmp_path / "long.zip").open("wb") as long:
        long.truncate(2_000_000_000)
        long.seek(0, io.SEEK_END)
        long.write(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, 2_000_000_000, 0, 0))
    (tmp_path / "lists.json").write_bytes(b"[" + b"[]," * 5_000_000 + b"[]]")
    (tmp_path / "deep.json").write_bytes(b'{"a":' * 1_000_000)
    with (tmp_path / "huge.json").open("wb") as huge:
        huge.truncate(5_000_000_000)
    told = dict(
        line.split() for line in bounded(READ, str(tmp_path), memory=150_000_000).splitlines()
    )
    assert told == dict.fromkeys(
        ("deep.json", "huge.json", "lists.json", "long.zip", "many.zip"), "True"
    )


def test_an_object_is_seen_with_what_it_holds(tmp_path: Path) -> None:
    class Store:
        def get_file(self, key: str, path: Path) -> object:
            from safelight.domain.stored import StoredObject

            path.write_bytes(there[key])
            return StoredObject(key, len(there[key]), sha(there[key]))

    there = {
        "zip": ours(tmp_path / "a.zip").read_bytes(),
        "json": json.dumps({"number": 1}).encode(),
    }
    zip_ = see(Store(), "zip", "zip", tmp_path)  # type: ignore[arg-type]
    assert zip_.members == {"0000.jpg": sha(JPEG), "0000.txt": sha(TEXT)}
    assert see(Store(), "json", "json", tmp_path).document == {"number": 1}  # type: ignore[arg-type]
    assert not (tmp_path / "object").exists()
