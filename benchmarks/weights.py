"""What it costs to look into a LoRA of rank 48 (515 MB): time against sha256 alone, and memory.

The hash of the file has to be taken whatever else is looked at, so it is the limit; `ratio` says how
near the whole check comes to it. Both run in turn over the same file, which the page cache holds, and
the best of five of each counts. Memory is the peak of a process that does nothing else. The last line
is JSON. `make bench NAME=weights`.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.manners import run_to_its_end, say, workplace
from safelight.local.emulator.archive import write_tar
from safelight.stages.weights import check, inspect, unpack

RANK = 48
TURNS = 5
CHILD = (
    "import sys, json; from pathlib import Path\n"
    "from safelight.stages.weights import check, inspect\n"
    f"assert not check(inspect(Path(sys.argv[1])), {RANK})\n"
    "print(next(l for l in open('/proc/self/status') if l.startswith('VmHWM')).split()[1])\n"
)


def timed(call: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def sha256(path: Path) -> str:
    """The hash alone, as the standard library takes it of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    """Print what was measured."""
    with workplace() as folder:
        write_tar(folder / "trained.tar", {"lora_rank": RANK}, {}, "all", "bench")
        path = unpack(folder / "trained.tar", folder).weights
        (folder / "trained.tar").unlink()
        facts = inspect(path)
        assert not check(facts, RANK)
        assert facts.sha256 == sha256(path)
        alone, whole = [], []
        for number in range(TURNS):
            alone.append(timed(lambda: sha256(path)))
            whole.append(timed(lambda: inspect(path)))
            say(
                f"turn {number + 1} of {TURNS}: sha256 {alone[-1]:.3f} s, every check {whole[-1]:.3f} s"
            )
        child = run_to_its_end((sys.executable, "-c", CHILD, str(path)), check=True)
        peak = int(child.stdout) * 1024
    megabytes = facts.bytes / 1e6
    print(f"{megabytes:.1f} MB, rank {facts.rank}, {facts.tensors} tensors; best of {TURNS}")
    print(f"sha256 alone    {min(alone):6.3f} s  {megabytes / min(alone):7.0f} MB/s")
    print(f"every check     {min(whole):6.3f} s  {megabytes / min(whole):7.0f} MB/s")
    print(f"ratio           {min(alone) / min(whole):6.2f}    (at least 0.50)")
    print(f"peak memory     {peak / 1e6:6.0f} MB (at most 200)")
    print(
        json.dumps(
            {
                "bytes": facts.bytes,
                "sha256_seconds": round(min(alone), 4),
                "inspect_seconds": round(min(whole), 4),
                "ratio": round(min(alone) / min(whole), 3),
                "peak_bytes": peak,
            }
        )
    )


if __name__ == "__main__":
    main()
