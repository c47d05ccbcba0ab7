"""Folders for files on their way are gone with their process, however it ended."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from safelight import config, deps, scratch

HOLD = """
import sys
from safelight import scratch
with scratch.folder() as folder:
    (folder / "photo.jpg").write_bytes(b"a face")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)  # asked for anew
    yield tmp_path
    tempfile.tempdir = None


@contextmanager
def holder() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that has a folder until the block ends, and its folder."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=pipe, stdout=pipe, text=True) as held:
        assert held.stdout is not None
        yield held, Path(held.stdout.readline().strip())


def test_a_folder_is_gone_with_its_block_whatever_happened_in_it(there: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch.folder() as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "photo.jpg").write_bytes(b"a face")
        raise ZeroDivisionError
    assert not list(there.iterdir())


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_uses_stays() -> None:
    with holder() as (_, used):
        with holder() as (killed, left):
            killed.kill()
        assert (left / "photo.jpg").exists()
        scratch.sweep()
        assert not left.exists()
        assert (used / "photo.jpg").read_bytes() == b"a face"
    assert not used.exists()


def test_who_opens_a_context_removes_what_the_killed_left(there: Path) -> None:
    left = there / f"{scratch.PREFIX}left"
    left.mkdir()
    settings = {
        "DATABASE_URL": "postgresql://nowhere/none",
        "BROKER_URL": "redis://nowhere",
        "REPLICATE_API_TOKEN": "r8_none",
        "AWS_ACCESS_KEY_ID": "none",  # else boto asks the network for them
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    deps.close_context(deps.open_context(config.load(settings), "test"))
    assert not left.exists()


def test_only_our_own_kind_of_folder_is_removed(there: Path) -> None:
    (there / "safelight-else").mkdir()
    (there / "precious").mkdir()
    (there / "precious" / "file").touch()
    (there / f"{scratch.PREFIX}link").symlink_to(there / "precious")
    (there / f"{scratch.PREFIX}file").touch()
    scratch.sweep()
    assert (there / "safelight-else").exists()
    assert (there / "precious" / "file").exists()
    assert (there / f"{scratch.PREFIX}file").exists()


def test_no_folder_in_use_is_swept_while_others_come_and_go() -> None:
    end = threading.Event()

    def sweep() -> None:
        while not end.is_set():
            scratch.sweep()

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for _ in range(300):
            with scratch.folder() as folder:
                (folder / "file").touch()
                assert (folder / "file").exists()
    finally:
        end.set()
        sweeper.join()
