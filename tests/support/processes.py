"""Look at process trees through /proc (Linux only)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path


def stat(pid: int) -> tuple[str, int] | None:
    """State letter and parent's pid; None when there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[1])


def alive(pids: Iterable[int]) -> set[int]:
    """Those that run; a zombie does not."""
    found = {pid: stat(pid) for pid in pids}
    return {pid for pid, known in found.items() if known is not None and known[0] != "Z"}


def tree(root: int) -> set[int]:
    """All descendants of a process, also those in other sessions."""
    parents = {
        int(entry.name): known[1]
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (known := stat(int(entry.name))) is not None
    }
    found: set[int] = set()
    new = {root}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return found


def wait_until(condition: Callable[[], object], timeout: float, what: str) -> float:
    """Wait for a condition; the seconds it took. Fails with `what` after `timeout` seconds."""
    start = time.monotonic()
    while not condition():
        late = time.monotonic() - start
        assert late < timeout, f"not within {timeout:g} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - start
