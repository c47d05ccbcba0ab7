"""What a process took of memory, by the kernel's own count (Linux)."""

from __future__ import annotations

from pathlib import Path


def peak(pid: int | str) -> int:
    """The most memory that a process had, in bytes; 0: it is gone. (What getrusage says begins with that of
    who started it.)"""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except FileNotFoundError:
        return 0
    told = status.partition("VmHWM:")[2].split()  # none once it only waits to be reaped
    return int(told[0]) * 1024 if told else 0
