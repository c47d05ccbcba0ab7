"""The process that decodes may crash, hang or eat memory; the job goes on with a finding.

A named pipe stands for a photo that hangs the decoder: opening it to read blocks for ever.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from safelight.config import models_folder
from safelight.domain.errors import Retryable
from safelight.domain.findings import Level
from safelight.domain.photos import PhotoFacts, Undecodable
from safelight.vision import child
from safelight.vision.guard import GuardedEye
from safelight.vision.hashing import sha256_file
from safelight.vision.inspect import inspect_file
from safelight.vision.models import check
from safelight.vision.nets import Nets
from safelight.vision.pool import EyePool
from tests.support import photos


@pytest.fixture(scope="module")
def eye() -> Iterator[GuardedEye]:
    with GuardedEye() as guarded:
        yield guarded


@pytest.fixture
def stuck(tmp_path: Path) -> Path:
    path = tmp_path / "stuck.jpg"
    os.mkfifo(path)
    return path


def gone(pid: int, seconds: float = 10) -> bool:
    """True once the process is no more (or a zombie that only waits to be reaped)."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def kill_when_asked(eye: GuardedEye, pipe: Path, times: int) -> threading.Thread:
    """Kill the child *times*, each time once it has the pipe open and waits for what is in it."""

    def run() -> None:
        held: list[int] = []
        killed: list[int | None] = [None]
        while len(held) < times:
            time.sleep(0.01)
            if (pid := eye.pid) is None or pid in killed:
                continue  # the one that was killed is reaped before another has a pid
            try:
                held.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:  # nobody reads it yet
                continue
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
        for descriptor in held:
            os.close(descriptor)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_guarded_look_sees_what_an_unguarded_one_does(eye: GuardedEye, tmp_path: Path) -> None:
    for path in (
        photos.photo(tmp_path, "a.jpg"),
        photos.odd_name(tmp_path),
        photos.cmyk_jpeg(tmp_path),
        photos.truncated_jpeg(tmp_path),
        photos.text_named_jpg(tmp_path),
    ):
        assert eye.inspect(path, path.name).facts == inspect_file(path, path.name).facts


def test_the_900_megapixel_png_is_a_finding_and_not_a_crash(
    eye: GuardedEye, tmp_path: Path
) -> None:
    seen = eye.inspect(photos.huge_png(tmp_path), "huge.png")
    assert [item.kind for item in seen.findings] == ["too-many-pixels"]
    assert seen.facts.sha256 is not None


def test_many_photos_are_seen_by_one_child(eye: GuardedEye, tmp_path: Path) -> None:
    eye.inspect(photos.photo(tmp_path, "a.jpg"), "a.jpg")
    pid = eye.pid
    made = eye.derive(photos.photo(tmp_path, "a.jpg"), tmp_path / "out.jpg", 512)
    assert (made.width, made.height) == (384, 512)
    assert (tmp_path / "out.jpg").stat().st_size == made.bytes
    assert eye.pid == pid


def test_what_cannot_be_decoded_cannot_be_derived(eye: GuardedEye, tmp_path: Path) -> None:
    with pytest.raises(Undecodable) as caught:
        eye.derive(photos.truncated_jpeg(tmp_path), tmp_path / "out.jpg", 512)
    assert caught.value.kind == "truncated"


def test_a_file_that_is_not_there_is_an_error_and_no_finding(
    eye: GuardedEye, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        eye.inspect(tmp_path / "none.jpg", "none.jpg")


def test_a_photo_that_hangs_the_decoder_is_taken_out_and_the_next_one_is_seen(
    stuck: Path, tmp_path: Path
) -> None:
    with GuardedEye(seconds=0.5) as eye:
        eye.inspect(photos.photo(tmp_path, "a.jpg"), "a.jpg")
        pid = eye.pid
        assert pid is not None
        (finding,) = eye.inspect(stuck, "stuck.jpg").findings
        assert (finding.kind, finding.level) == ("overrun", Level.BLOCK)
        assert "within 0.5 s" in finding.message
        assert gone(pid)
        assert eye.inspect(photos.photo(tmp_path, "b.jpg"), "b.jpg").facts.decodable


def test_a_photo_that_kills_the_decoder_twice_is_taken_out_and_the_next_one_is_seen(
    stuck: Path, tmp_path: Path
) -> None:
    with GuardedEye() as eye:
        killer = kill_when_asked(eye, stuck, times=2)
        (finding,) = eye.inspect(stuck, "stuck.jpg").findings
        killer.join(10)
        assert (finding.kind, finding.level) == ("overrun", Level.BLOCK)
        assert "died of it twice: signal 9 (SIGKILL)" in finding.message
        assert eye.inspect(photos.photo(tmp_path, "a.jpg"), "a.jpg").facts.decodable


ONE_DEATH = """
import os, signal, sys
if os.path.exists(sys.argv[1]):
    os.execv(sys.executable, [sys.executable, "-m", "safelight.vision.child", "20", str(2**31)])
open(sys.argv[1], "w").close()
print('{"ready": 1}', flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_one_death_in_a_call_is_not_the_photos_fault(tmp_path: Path) -> None:
    """A worker's child may be killed by anybody: the photo is looked at again by another."""
    command = (sys.executable, "-c", ONE_DEATH, str(tmp_path / "died-once"))
    with GuardedEye(command=command) as eye:
        assert eye.inspect(photos.photo(tmp_path, "a.jpg"), "a.jpg").facts.decodable
    assert (tmp_path / "died-once").exists()


def test_a_child_killed_between_calls_is_replaced_without_a_word(tmp_path: Path) -> None:
    path = photos.photo(tmp_path, "a.jpg")
    with GuardedEye() as eye:
        eye.inspect(path, "a.jpg")
        pid = eye.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert eye.inspect(path, "a.jpg").facts.decodable
        assert eye.pid != pid


@pytest.mark.skipif(sys.platform != "linux", reason="memory is capped on Linux only")
def test_a_photo_that_needs_too_much_memory_is_taken_out(tmp_path: Path) -> None:
    path = photos.huge_png(tmp_path, 9_900)  # 98 MP: more than 64 MiB once decoded
    with GuardedEye(memory=64 * 1024**2) as eye:
        (finding,) = eye.inspect(path, "huge.png").findings
        assert finding.kind == "overrun"
        assert "memory" in finding.message
        assert eye.inspect(photos.photo(tmp_path, "a.jpg"), "a.jpg").facts.decodable


def test_a_decoder_that_cannot_start_is_tried_again_and_blames_no_photo(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "raise SystemExit('no such library')")
    with GuardedEye(command=command) as eye, pytest.raises(Retryable, match="no such library"):
        eye.inspect(photos.photo(tmp_path, "a.jpg"), "a.jpg")


def test_closing_ends_the_child_and_the_next_call_starts_another(tmp_path: Path) -> None:
    path = photos.photo(tmp_path, "a.jpg")
    eye = GuardedEye()
    assert eye.pid is None
    eye.inspect(path, "a.jpg")
    pid = eye.pid
    assert pid is not None
    eye.close()
    assert eye.pid is None
    assert gone(pid)
    assert eye.inspect(path, "a.jpg").facts.decodable
    eye.close()


PARENT = """
import pathlib, sys, time
from safelight.vision.guard import GuardedEye
eye = GuardedEye()
eye.inspect(pathlib.Path(sys.argv[1]), "a.jpg")
print(eye.pid, flush=True)
time.sleep(60)
"""


def test_the_child_dies_with_its_parent_even_by_kill_9(tmp_path: Path) -> None:
    path = photos.photo(tmp_path, "a.jpg")
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not gone(child, 0.1)
        parent.kill()
    assert gone(child)


FORK = """
import os, pathlib, sys
from safelight.vision.guard import GuardedEye
path = pathlib.Path(sys.argv[1])
with GuardedEye() as eye:
    eye.inspect(path, "a.jpg")
    before = eye.pid
    if os.fork() == 0:
        seen = eye.inspect(path, "a.jpg").facts.decodable and eye.pid != before
        eye.close()
        os._exit(0 if seen else 1)
    _, status = os.wait()
    assert eye.inspect(path, "a.jpg").facts.decodable
    assert eye.pid == before
    raise SystemExit(os.waitstatus_to_exitcode(status))
"""


def test_a_fork_of_the_worker_has_a_child_of_its_own_and_leaves_its_parents_alone(
    tmp_path: Path,
) -> None:
    path = photos.photo(tmp_path, "a.jpg")
    done = subprocess.run([sys.executable, "-c", FORK, str(path)], timeout=60, check=False)
    assert done.returncode == 0


BUSY = """
import json, os, signal, sys
print('{"ready": 1}', flush=True)
sys.stdin.readline()
signal.setitimer(signal.ITIMER_PROF, 0.05)
while True: pass
"""


def test_a_photo_that_keeps_the_processor_busy_is_taken_out_at_the_first_time(
    tmp_path: Path,
) -> None:
    command = (sys.executable, "-c", BUSY)
    with GuardedEye(command=command) as eye:
        (finding,) = eye.inspect(photos.photo(tmp_path, "a.jpg"), "a.jpg").findings
    assert finding.kind == "overrun"
    assert "kept the decoder busy for 10 s" in finding.message


def test_the_child_bounds_its_own_time_on_the_processor(tmp_path: Path) -> None:
    with GuardedEye(seconds=0.1, start_seconds=60) as eye:
        (finding,) = eye.inspect(photos.huge_png(tmp_path, 10_000), "huge.png").findings
    assert finding.kind == "overrun"
    assert "0.05 s" in finding.message or "within 0.1 s" in finding.message


def peak(pid: int) -> int:
    """The most memory that the process ever had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


class Loaded:
    """Networks that are in memory, or are not."""

    def __init__(self, loaded: bool) -> None:
        self.loaded = loaded


@pytest.mark.parametrize("call", ["inspect", "derive"])
def test_memory_that_the_networks_hold_is_not_the_photos_fault(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process without them answers for good: the photo is seen anew once."""

    def starved(*_: object, **__: object) -> PhotoFacts:
        raise Undecodable("overrun", "it needs more memory than a photo may take")

    short = PhotoFacts(9, decodable=False, fault="overrun", fault_detail="it needs more memory")
    monkeypatch.setattr(child, "measure", lambda *_: short)
    monkeypatch.setattr(child, "derive_file", starved)
    path = photos.photo(tmp_path, "a.jpg")
    asked = {"call": call, "path": str(path), "target": str(path), "max_side": 9}
    assert child.answer(asked, cast("Nets", Loaded(True))) == {"anew": True}
    told = child.answer(asked, cast("Nets", Loaded(False)))
    assert (told.get("facts") or told["fault"]).get("fault", "overrun") == "overrun"


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
@pytest.mark.skipif(bool(check(models_folder())), reason="the models are not here: make models")
@pytest.mark.parametrize(
    ("ending", "size", "bytes_a_pixel"), [("png", (9_000, 6_500), 4), ("webp", (5_000, 4_000), 12)]
)
def test_a_large_photo_is_seen_by_a_new_process_and_none_takes_600_mb(
    tmp_path: Path, ending: str, size: tuple[int, int], bytes_a_pixel: int
) -> None:
    large = tmp_path / f"large.{ending}"
    Image.new("RGB", size, "navy").save(large, compress_level=1, method=0)
    with GuardedEye(models=models_folder()) as eye:
        assert eye.inspect(photos.photo(tmp_path, "a.jpg"), "a.jpg").facts.measured is not None
        first = eye.pid
        assert first is not None
        assert peak(first) < 600e6
        assert eye.inspect(large, large.name).facts.decodable
        second = eye.pid
        assert second is not None
        assert second != first
        assert size[0] * size[1] * bytes_a_pixel < peak(second) < 600e6
        assert eye.inspect(tmp_path / "a.jpg", "a.jpg").facts.decodable
        assert eye.pid == second


def test_a_pool_keeps_the_order_and_loses_only_the_photo_that_kills(tmp_path: Path) -> None:
    whole = [photos.photo(tmp_path, f"{n}.jpg", n, (320, 240)) for n in range(6)]
    told = [(path, path.name) for path in (*whole[:3], photos.truncated_jpeg(tmp_path), *whole[3:])]
    with EyePool(2, models=tmp_path / "none") as pool:
        found = list(pool.inspect_all(told))
        assert len(pool.pids()) == 2
        assert [seen.facts.sha256 for seen in found] == [sha256_file(path)[0] for path, _ in told]
        assert [seen.facts.decodable for seen in found] == [True] * 3 + [False] + [True] * 3
        for pid in pool.pids():
            os.kill(pid, signal.SIGKILL)
        assert all(seen.facts.decodable for seen in pool.inspect_all(told[:3]))
        target = tmp_path / "derived.jpg"
        assert pool.derive(whole[0], target, 128).width == 128
    assert pool.pids() == []
