"""The trainer's archive is written elsewhere: it is read within bounds, and its faults are its own."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from safelight.domain.errors import BadArchive, CancelAsked, Retryable
from safelight.scratch import OwnDisk
from safelight.stages import archives, tar
from safelight.stages.archives import is_archive, unpack
from tests.support.bounded import bounded
from tests.support.weights import write_archive, write_lora

FOLDER = "output/flux_train_replicate"
LORA = f"{FOLDER}/lora.safetensors"


def member(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    found = tarfile.TarInfo(name)
    found.size = len(data)
    for key, value in fields.items():
        setattr(found, key, value)
    return found, data


def made(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.GNU_FORMAT) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=format) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return held.getvalue()


def header(name: str, **fields: bytes) -> bytes:
    """A header with some of its bytes replaced, its sum right again."""
    places = {"size": 124, "kind": 156, "magic": 257, "sparse": 386, "real": 483}
    head = bytearray(tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT))
    for key, value in fields.items():
        head[places[key] : places[key] + len(value)] = value
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def binary(size: int) -> bytes:
    """A size that does not fit into octal digits, as GNU's tar writes it."""
    return (b"\x80" if size >= 0 else b"\xff") + (size % 2**88).to_bytes(11, "big")


END = bytes(2 * tar.BLOCK)
WHOLE = made(member(LORA, b"x" * 700))


def read(tmp_path: Path, data: bytes) -> archives.Unpacked:
    (tmp_path / "a.tar").write_bytes(data)
    return unpack(tmp_path / "a.tar", tmp_path)


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_each_kind_of_tar_holds_is_found(tmp_path: Path, format: int) -> None:
    """The trainer's own `tar`, BSD's and Python's write different headers."""
    long = f"{FOLDER}/captions/{'sehr lang und schön ' * 4}.txt"
    data = made(
        member(f"{FOLDER}/", type=tarfile.DIRTYPE),
        member(long, b"a caption", mtime=1.5),
        member(f"{FOLDER}/config.yaml", b"config: {process: [{steps: 5}]}"),
        member(LORA, b"x" * 700),
        member(f"{FOLDER}/link", type=tarfile.SYMTYPE, linkname="y" * 90),
        format=format,
    )
    found = read(tmp_path, data)
    assert found.weights.read_bytes() == b"x" * 700
    assert (found.effective, found.captions) == ({"steps": 5}, 1)


def test_a_name_over_a_hundred_bytes_is_read_whole(tmp_path: Path) -> None:
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        data = made(member(f"{'deep/' * 60}lora.safetensors", b"x"), format=format)
        assert read(tmp_path, data).weights.read_bytes() == b"x"


def test_what_macos_puts_beside_each_file_is_no_second_weights_file(tmp_path: Path) -> None:
    data = made(
        member(f"{FOLDER}/._lora.safetensors", b"Mac OS X"),
        member(f"__MACOSX/{FOLDER}/lora.safetensors", b"Mac OS X"),
        member(LORA, b"weights"),
    )
    assert read(tmp_path, data).weights.read_bytes() == b"weights"


def test_a_config_beside_the_weights_goes_before_any_other(tmp_path: Path) -> None:
    data = made(
        member(f"{FOLDER}/config.yaml", b"config: {process: [{steps: 1}]}"),
        member(LORA, b"x"),
        member("elsewhere/config.yaml", b"config: {process: [{steps: 2}]}"),
    )
    assert read(tmp_path, data).effective == {"steps": 1}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it is empty"),
        (END, "it is empty"),
        (b"hello" * 1000, "it is no tar"),
        (gzip.compress(WHOLE), "it is gzip, and the trainer's is a plain tar; unpack it first"),
        (bz2.compress(WHOLE), "it is bzip2"),
        (lzma.compress(WHOLE), "it is xz"),
        (WHOLE[:300], "it is no tar"),
        (WHOLE[:700], "it is cut short: .*lora.safetensors has 700 bytes and 188 follow"),
        (WHOLE[:1536] + b"x" * 1024, "at byte 1,536 there is no header of a tar"),
        (header(LORA, size=binary(-1024)) + END, "a member's size is below zero"),
        (WHOLE[:1536] + header("x", size=binary(-1024)) + END, "a member's size is below zero"),
        (header(LORA, size=binary(1 << 62)) + END, "it is cut short"),
        (header(LORA, size=b"99999999999\0") + END, "a member's size is b'99999999999'"),
        (
            header(LORA, kind=b"S", magic=b"ustar  \0", real=binary(1 << 62)) + END,
            "it has a sparse member",
        ),
        (
            header("././@PaxHeader", kind=b"x", size=binary(3 << 30)) + END,
            "notes take 3,221,225,472",
        ),
        (header("././@LongLink", kind=b"L", size=binary(1 << 40)) + END, "name or notes take"),
        (header("././@LongLink", kind=b"L", size=binary(2000)) + END, "cut short within"),
        (made(member("././@LongLink", b"long", type=b"L")), "it ends within a member's header"),
        (
            made(member("p", b"30 GNU.sparse.realsize=9999999\n", type=b"x"), member(LORA, b"x")),
            "it has a sparse member",
        ),
        (made(member("p", b"9" * 60_000, type=b"x"), member(LORA, b"x")), "do not hold together"),
        (made(member("p", b"0 path=x\n", type=b"x"), member(LORA, b"x")), "do not hold together"),
        (made(member("p", b"12 size=-99\n", type=b"x"), member(LORA, b"x")), "size is b'-99'"),
        (header("x") * 20_001 + END, "it has over 20,000 members"),
    ],
)
def test_each_fault_of_an_archive_is_its_own_and_has_its_own_words(
    tmp_path: Path, data: bytes, says: str
) -> None:
    with pytest.raises(BadArchive, match=says):
        read(tmp_path, data)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"], "nothing is left"


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_what_is_no_file_is_no_weights_whatever_its_name(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(BadArchive, match=r"holds 0 \.safetensors files"):
        read(tmp_path, made(member(LORA, type=kind, linkname="/etc/passwd")))


def test_a_member_over_the_limit_is_refused_before_a_byte_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_ARCHIVE_BYTES", 699)
    with pytest.raises(BadArchive, match=r"have 700 bytes; at most 699 are taken"):
        read(tmp_path, WHOLE)


def test_a_full_disk_of_ours_is_no_fault_of_the_archive(tmp_path: Path) -> None:
    """What was paid for is fetched again once there is room."""
    (tmp_path / "lora.safetensors").symlink_to("/dev/full")
    with pytest.raises(OwnDisk, match=r"is full: .* 700 more are needed"):
        read(tmp_path, WHOLE)


def test_an_archive_that_is_not_there_any_more_is_no_fault_of_the_archive(tmp_path: Path) -> None:
    with pytest.raises(OwnDisk):
        unpack(tmp_path / "swept-away.tar", tmp_path)


def test_unpacking_stops_where_the_job_is_not_ours_any_more(tmp_path: Path) -> None:
    class Pulse:
        def check(self) -> None:
            raise CancelAsked

    (tmp_path / "a.tar").write_bytes(WHOLE)
    with pytest.raises(CancelAsked):
        unpack(tmp_path / "a.tar", tmp_path, Pulse())


def test_unpacking_has_an_end_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "UNPACK_SECONDS", 0.0)
    with pytest.raises(Retryable, match="given up at 700 of 700 bytes"):
        read(tmp_path, WHOLE)


@pytest.mark.parametrize(
    ("make", "is_one"),
    [
        (lambda p: write_archive(p / "x", write_lora(p / "l")), True),
        (lambda p: write_lora(p / "x"), False),
        (lambda p: (p / "x").write_bytes(b""), False),
        (lambda p: (p / "x").write_bytes(gzip.compress(WHOLE)), False),
    ],
)
def test_an_archive_is_known_by_its_bytes_and_not_by_its_name(
    tmp_path: Path, make: Callable[[Path], object], is_one: bool
) -> None:
    make(tmp_path)
    assert is_archive(tmp_path / "x") is is_one


HOSTILE = """
import pathlib, tempfile, time
from safelight.domain.errors import SafelightError
from safelight.stages.archives import unpack
limit(MEMORY, FILE)
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        try:
            unpack(path, pathlib.Path(folder))
            print(path.name, "read", end=" ")
        except SafelightError as error:
            print(path.name, type(error).__name__, end=" ")
        left = sum(f.stat().st_size for f in pathlib.Path(folder).iterdir())
        assert left < 10_000_000 and time.process_time() - began < 10, (path, left)
        print()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="its memory is limited by way of /proc")
def test_the_worst_archives_take_little_memory_little_disk_and_little_time(tmp_path: Path) -> None:
    """Each was once gigabytes of disk, an exception without a name, or no end."""
    bomb = tmp_path / "bomb.tgz"
    with gzip.open(bomb, "wb", compresslevel=1) as file:
        file.write(header(LORA, size=binary(1 << 30)))
        for _ in range(64):
            file.write(bytes(1 << 20))
    laughs = "config: {process: [{a0: &a0 [x,x,x,x,x,x,x,x,x,x]" + "".join(
        f", a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)
    )  # fmt: skip
    config = f"{FOLDER}/config.yaml"
    # A hole, as a file system keeps it: the header is honest, and the archive has 40 GB.
    with (tmp_path / "huge.tar").open("wb") as huge:
        huge.write(header(LORA, size=binary(40 << 30)))
        huge.truncate((40 << 30) + 3 * tar.BLOCK)
    worst = {
        "many.tar": header("x") * 200_000,
        "notes.tar": (
            header("p", kind=b"x", size=binary(65_400)) + (b"6 a=b\n" * 10_900).ljust(65_536, b"\0")
        )
        * 2_000,
        "pax.tar": header("p", kind=b"x", size=binary(1 << 33)) + bytes(1 << 20),
        "sparse.tar": header(LORA, kind=b"S", real=binary(1 << 62)) + END,
        "digits.tar": made(member("p", b"9" * 65_536, type=b"x"), member(LORA, b"x")),
        "laughs.tar": made(member(LORA, b"x"), member(config, laughs.encode() + b"}]}")),
        "deep.tar": made(member(LORA, b"x"), member(config, b"[" * 200_000)),
        "wide.tar": made(member(LORA, b"x"), member(config, b"[" + b"x, " * 80_000 + b"]")),
        "keys.tar": made(member(LORA, b"x"), member(config, b"? " * 100_000)),
    }
    for name, data in worst.items():
        (tmp_path / name).write_bytes(data)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(LORA, b"x")
    told = dict(line.split() for line in bounded(HOSTILE, str(tmp_path)).splitlines())
    assert told == {
        **dict.fromkeys(("a.zip", "bomb.tgz", "huge.tar", "many.tar"), "BadArchive"),
        **dict.fromkeys(("pax.tar", "notes.tar", "sparse.tar", "digits.tar"), "BadArchive"),
        **dict.fromkeys(("laughs.tar", "deep.tar", "wide.tar", "keys.tar"), "read"),
    }
