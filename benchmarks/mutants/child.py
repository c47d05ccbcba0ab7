"""The process that makes and reads mutants: ``python -m benchmarks.mutants.child SEED CAP MODULE ...``.

A kind and a number a line on standard input, an answer a line on standard output. It has *CAP* bytes of
address space beyond what it starts with, and may write files of 64 MB in a folder of its own.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from benchmarks.memory import peak
from safelight.domain.errors import SafelightError

LATEST = 300
"""Seconds after which a mutant ends the process, though nobody may be there any more to kill it."""
LARGEST = 64_000_000
"""Bytes of one file that it may write."""


def main(seed: str, cap: float, modules: list[str]) -> None:
    """Answer until standard input ends."""
    kinds: dict[str, Any] = {name: importlib.import_module(name) for name in modules}
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # a print is not taken for an answer
    for kind in kinds.values():
        if hasattr(kind, "prepare"):
            kind.prepare()
    _limit(cap)
    print(json.dumps("ready"), file=answers, flush=True)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tempfile.tempdir = folder
        for line in sys.stdin:
            module, number = line.split()
            signal.alarm(LATEST)
            answer = _one(kinds[module], seed, int(number), Path(folder))
            signal.alarm(0)
            print(json.dumps(answer), file=answers, flush=True)


def _limit(cap: float) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + int(cap)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _one(kind: Any, seed: str, number: int, folder: Path) -> dict[str, Any]:
    path = folder / "mutant"
    data = kind.mutant(random.Random(f"{seed}-{number}"))
    path.write_bytes(data)
    wrong: list[str] = []
    began = time.process_time()
    try:
        ending = str(kind.read(path))
    except SafelightError as error:
        ending = type(error).__name__
    except Exception as error:  # noqa: BLE001 (what has no name of ours is what is looked for)
        ending = f"surprise: {type(error).__name__}"
        wrong.append(traceback.format_exc(limit=-3)[-1500:])
    seconds = time.process_time() - began
    slowest = getattr(kind, "SECONDS_A_MEGABYTE", None)
    if slowest and len(data) > 100_000 and seconds > slowest * len(data) / 1e6:
        wrong.append(f"{len(data):,} bytes took {seconds:.2f} s")
    left = sum(found.stat().st_size for found in folder.rglob("*") if found.is_file())
    for there in folder.iterdir():
        shutil.rmtree(there) if there.is_dir() else there.unlink()
    return {
        "ending": ending,
        "seconds": seconds,
        "memory": peak("self"),
        "disk": left,
        "wrong": wrong,
    }


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
