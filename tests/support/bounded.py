"""Code in a process of its own that has little memory and may write little: what is bounded ends there
as it does elsewhere, and what is not dies."""

from __future__ import annotations

import subprocess
import sys

LIMITS = """
import resource, signal, sys
def limit(memory, file):
    pages = int(open("/proc/self/statm").read().split()[0])
    most = pages * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file, file))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
"""


def bounded(
    code: str, *args: str, memory: int = 200_000_000, file: int = 50_000_000, seconds: float = 60
) -> str:
    """What *code* prints. It calls ``limit(MEMORY, FILE)`` once it has imported what it needs; *memory*
    is on top of that, *file* is of one file; both in bytes."""
    given = LIMITS + code.replace("MEMORY", str(memory)).replace("FILE", str(file))
    done = subprocess.run(
        (sys.executable, "-c", given, *args),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
