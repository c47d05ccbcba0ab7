"""Folders for files on their way are gone with their process, however it ended."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image

from safelight import config, deps, scratch
from safelight.domain.errors import Invalid, Retryable
from safelight.domain.nouns import Job
from safelight.domain.outcome import Park, Wait
from safelight.domain.queues import Kind, Queue
from safelight.flow.perform import _outcome_of
from safelight.flow.retention import policy_of
from safelight.stages.zipping import ZipEntry, write_zip
from safelight.vision.derive import derive_file

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


def test_what_a_full_disk_refuses_is_said_with_what_was_still_to_come(tmp_path: Path) -> None:
    (tmp_path / "file").symlink_to("/dev/full")
    with pytest.raises(scratch.OwnDisk) as caught, scratch.sink(tmp_path / "file", 600) as file:
        file.write(b"x" * 400)
    assert isinstance(caught.value, Retryable)
    assert "bytes are free and 600 more are needed" in caught.value.message
    assert str(tmp_path) in caught.value.message
    assert "TMPDIR" in (caught.value.hint or "")


def test_a_file_that_is_written_is_there_whole(tmp_path: Path) -> None:
    with scratch.sink(tmp_path / "file") as file:
        file.write(b"one ")
        file.write(memoryview(b"two"))
        assert file.written == 7
    assert (tmp_path / "file").read_bytes() == b"one two"


def test_a_fault_of_something_else_is_not_taken_for_the_disks(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), scratch.sink(tmp_path / "file") as file:
        file.write(b"one")
        raise ConnectionResetError
    assert not scratch.is_own(ConnectionResetError(errno.ECONNRESET, "reset"))
    assert not scratch.is_own(OSError("image file is truncated"))
    assert scratch.is_own(OSError(errno.EIO, "I/O error"))


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.ENOSPC, "is full"),
        (errno.EDQUOT, "is full"),
        (errno.EMFILE, "Too many files are open"),
        (errno.EIO, "cannot be read or written"),
    ],
)
def test_each_fault_of_our_own_has_its_own_words(tmp_path: Path, code: int, says: str) -> None:
    with pytest.raises(scratch.OwnDisk, match=says), scratch.ours(tmp_path / "file"):
        raise OSError(code, "as the system says it")


def test_a_folder_that_cannot_be_made_is_a_passing_fault_and_leaves_nothing(
    there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    tempfile.gettempdir()
    monkeypatch.setattr(os, "open", full)
    with pytest.raises(scratch.OwnDisk, match="Too many files"), scratch.folder():
        pass
    assert not list(there.iterdir())


def test_a_place_for_temporary_files_that_is_full_from_the_start_is_a_passing_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python looks for one by writing to it, once a process, and calls a full one none."""

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(scratch.OwnDisk, match="No folder for temporary files"), scratch.folder():
        pass
    scratch.sweep()


def test_a_job_that_meets_our_full_disk_spends_no_attempt() -> None:
    job = Job(
        id=UUID(int=1), queue=Queue.GENERATE, kind=Kind.FETCH_WEIGHTS, owner_id=None, subject_id=None,
        target_id=None, state="leased", due_at=datetime.now(UTC), attempts=1, max_attempts=1,
        lease_owner=None, lease_until=None, fence=1, unique_key=None, cancel_requested_at=None,
        reason=None, error=None, created_at=datetime.now(UTC), finished_at=None,
    )  # fmt: skip
    outcome = _outcome_of(OSError(errno.ENOSPC, "No space left on device"), job)
    assert isinstance(outcome, Wait)
    assert outcome.fault
    assert "is full" in str(outcome.error)
    assert isinstance(_outcome_of(OSError(errno.ENOENT, "No such file"), job), Park)


def test_a_zip_for_which_there_is_no_room_is_a_passing_fault(tmp_path: Path) -> None:
    (tmp_path / "set.zip").symlink_to("/dev/full")
    with pytest.raises(scratch.OwnDisk, match="is full"):
        write_zip(tmp_path / "set.zip", [ZipEntry("0000.txt", b"x" * 100_000)])


def test_a_photo_is_not_called_broken_when_our_disk_is_full(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 64), (200, 120, 40)).save(photo)
    (tmp_path / "made.jpg").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        derive_file(photo, tmp_path / "made.jpg", max_side=64)


def test_rules_that_cannot_be_read_for_want_of_handles_are_not_called_invalid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = tmp_path / "rules.toml"

    class Settings:
        retention_file = rules

    with pytest.raises(Invalid, match="cannot be read"):
        policy_of(Settings())  # type: ignore[arg-type]

    def full(*_: object, **__: object) -> os.stat_result:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "stat", full)
    with pytest.raises(scratch.OwnDisk, match="Too many files"):
        policy_of(Settings())  # type: ignore[arg-type]
