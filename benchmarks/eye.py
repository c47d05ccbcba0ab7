"""What looking at photos costs: against Pillow's plain decode, a core, two cores, memory, cleanvision.

Ratios are of one run. Costs are processor seconds, so that whatever else runs on the machine does not
count; the scaling is of the clock, and beside it what it would be if nothing else ran: how ready both
workers were, and what a photo cost them. The last line is JSON. `make bench NAME=eye` (three minutes).
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from PIL import Image

from benchmarks.manners import run_to_its_end, say, workplace
from benchmarks.memory import peak
from safelight.config import cores, models_folder
from safelight.vision.guard import GuardedEye
from safelight.vision.inspect import measure
from safelight.vision.models import check
from safelight.vision.nets import Nets
from safelight.vision.pool import EyePool
from tests.support import people

LARGE = ((3000, 4000), (4000, 3000))
"""12 MP, as phones take them."""
USUAL = ((1224, 1632), (1632, 1224))
"""2 MP."""
PHOTOS = 500
DIFFERENT = 50
ROUNDS = 5
THUMBNAIL = (1024, 1024)
CLEANVISION = "cleanvision==0.3.7"
JUDGEMENTS = (
    "decodable", "exact duplicate", "near duplicate", "mirrored duplicate", "size", "bytes",
    "JPEG quality", "recompression", "sharpness", "blurred face", "smoothing", "dark", "bright", "clipped",
    "faces", "people", "identity", "face angle", "face size", "face cut", "framing",
    "hidden parts", "background", "light", "orientation", "alpha, animation, depth",
)  # fmt: skip
"""What the eye judges of a photo: each can come out as a finding on it or on its set."""


def make(folder: Path, sizes: Sequence[tuple[int, int]], count: int) -> list[Path]:
    """Varied photos of one person, as a set for training has them."""
    made = []
    for number, shot in enumerate(people.variants(people.person(3), count, seed=11)):
        size = sizes[number % len(sizes)]
        small = (size[0] * 1024 // max(size), size[1] * 1024 // max(size))
        picture = people.render(people.larger(shot, small)).resize(size, Image.Resampling.BICUBIC)
        # A sensor's grain at full size, so that the file is as large as a camera's.
        grain = Image.effect_noise(size, 60).convert("RGB")
        path = folder / f"{size[0]}-{number:03d}.jpg"
        Image.blend(picture, grain, 0.12).save(path, "JPEG", quality=90)
        made.append(path)
    return made


def seconds(run: Callable[[], object]) -> float:
    """Processor seconds of this process that a call takes."""
    started = time.process_time()
    run()
    return time.process_time() - started


def plain(path: Path) -> None:
    """Pillow's plain full decode, and a thumbnail."""
    with Image.open(path) as image:
        image.load()
        image.thumbnail(THUMBNAIL)


def against_pillow(paths: Sequence[Path], nets: Nets) -> tuple[float, float, float]:
    """The whole analysis over Pillow's plain decode; and both in seconds a photo."""
    measure(paths[0], nets)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        for path in paths:
            theirs.append(seconds(partial(plain, path)))
            ours.append(seconds(partial(measure, path, nets)))
    a, b = statistics.median(ours), statistics.median(theirs)
    return a / b, a, b


def a_core(paths: Sequence[Path]) -> float:
    """Photos a processor second, both processes counted, through the guarded eye."""
    with GuardedEye(models=models_folder()) as eye:
        eye.inspect(paths[0], "warm")
        assert eye.pid is not None
        child = psutil.Process(eye.pid)
        before, started = sum(child.cpu_times()[:2]), time.process_time()
        for path in paths:
            assert eye.inspect(path, path.name).facts.measured is not None
        spent = sum(child.cpu_times()[:2]) - before + time.process_time() - started
    return len(paths) / spent


@dataclass(frozen=True)
class Clocked:
    """A run over all photos: seconds by the clock and on the processor, the least share of the clock in
    which a worker ran or waited for a core (and not for us), the most memory of one."""

    seconds: float
    processor: float
    ready: float
    memory: int


def by_the_clock(paths: Sequence[Path], workers: int) -> Clocked:
    """Every photo on *workers* processes that are up."""
    with EyePool(workers) as pool:
        list(pool.inspect_all([(path, path.name) for path in paths[: 4 * workers]]))
        before = {pid: scheduled(pid) for pid in pool.pids()}
        started = time.perf_counter()
        for seen in pool.inspect_all((path, path.name) for path in paths):
            assert seen.facts.decodable
        spent = time.perf_counter() - started
        ran, ready = 0.0, 1.0
        for pid, (run, wait) in before.items():
            now_run, now_wait = scheduled(pid)
            ran += now_run - run
            ready = min(ready, (now_run + now_wait - run - wait) / spent)
        return Clocked(spent, ran, ready, max(peak(pid) for pid in pool.pids()))


def scheduled(pid: int) -> tuple[float, float]:
    """Seconds that a process ran, and that it waited for a core."""
    run, wait, _ = Path(f"/proc/{pid}/schedstat").read_text("ascii").split()
    return int(run) / 1e9, int(wait) / 1e9


def heavy(folder: Path) -> int:
    """The most memory for the largest photos: 99 MP as PNG, 48 MP as a progressive JPEG."""
    paths = []
    for name, size, more in (
        ("a.png", (9_900, 10_000), {"compress_level": 1}),
        ("b.jpg", (8_000, 6_000), {"progressive": True}),
    ):
        paths.append(folder / name)
        Image.effect_mandelbrot(size, (-2, -1.5, 1, 1.5), 30).convert("RGB").save(paths[-1], **more)
    most = 0
    with GuardedEye(models=models_folder()) as eye:
        for path in paths:
            facts = eye.inspect(path, path.name).facts
            assert facts.decodable, facts.fault_detail
            assert eye.pid is not None
            most = max(most, peak(eye.pid))
    return most


COMPARE = """
import sys, time
from cleanvision import Imagelab
if __name__ == "__main__":
    lab = Imagelab(data_path=sys.argv[1], verbose=False)
    started = time.perf_counter()
    lab.find_issues(n_jobs=int(sys.argv[2]), verbose=False)
    spent = time.perf_counter() - started
    print(spent, len([c for c in lab.issues.columns if c.startswith("is_")]))
"""


def cleanvision(folder: Path, work: Path) -> tuple[float, int] | None:
    """Seconds that cleanvision takes for the folder, and how many judgements it makes; None where it
    cannot be installed. It gets an environment of its own."""
    env = work / "cleanvision"
    venv.create(env, with_pip=True)
    python = str(env / "bin" / "python")
    for command in (
        (python, "-m", "pip", "install", "--quiet", CLEANVISION),
        (python, "-c", COMPARE, str(folder), str(cores())),
    ):
        done = run_to_its_end(command)
        if done.returncode:
            print(f"no cleanvision here: {done.stderr[-300:]!r}", file=sys.stderr)
            return None
    spent, judgements = done.stdout.decode().split()[-2:]
    return float(spent), int(judgements)


def main() -> None:
    """Measure, print."""
    wrong = check(models_folder())
    if wrong:
        sys.exit(" ".join(wrong.values()) + " Fetch them: make models")
    nets = Nets(models_folder())
    with workplace() as work:
        large, usual = work / "large", work / "usual"
        large.mkdir()
        usual.mkdir()
        twelve = make(large, LARGE, 6)
        ratio, ours, theirs = against_pillow(twelve, nets)
        size = twelve[0].stat().st_size / 1e6
        say(f"12 MP, {size:.1f} MB: {ours * 1000:.0f} ms, Pillow {theirs * 1000:.0f} ms")
        two = make(usual, USUAL, DIFFERENT)
        rate = a_core(two)
        say(f"2 MP: {rate:.1f} photos a second and core")
        photos = [two[number % len(two)] for number in range(PHOTOS)]
        one, both = by_the_clock(photos, 1), by_the_clock(photos, 2)
        load = os.getloadavg()[0]
        say(
            f"{PHOTOS} photos: {one.seconds:.1f} s on one core, {both.seconds:.1f} s on two; load {load:.1f}"
        )
        most = max(one.memory, both.memory, heavy(work))
        say(f"memory of a worker: at most {most / 1e6:.0f} MB")
        folder_time = by_the_clock(two, cores()).seconds
        other = cleanvision(usual, work)
        if other is not None:
            told = f"{folder_time:.1f} s for {len(JUDGEMENTS)} judgements a photo"
            say(f"{len(two)} photos: {told}; cleanvision {other[0]:.1f} s for {other[1]}")
    print(
        json.dumps(
            {
                "vs_pillow_full_decode": round(ratio, 3),
                "photos_per_second_per_core": round(rate, 2),
                "two_core_scaling": round(one.seconds / both.seconds, 2),
                "two_core_scaling_without_other_load": round(
                    2 * both.ready * one.processor / both.processor, 2
                ),
                "worker_memory_mb": round(most / 1e6),
                "vs_cleanvision_time": None if other is None else round(folder_time / other[0], 3),
                "judgements": len(JUDGEMENTS),
                "cleanvision_judgements": None if other is None else other[1],
                "load": round(load, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
