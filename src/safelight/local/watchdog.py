"""Leave nothing behind when the supervisor is killed. Run by path, never imported.

    python -I -S watchdog.py TOKEN     (told by its standard input what runs)

The kernel's death signal (`launch.py`) reaches the processes that the supervisor started, on Linux
only, and not their children: the pool of a killed Celery worker lives on. So this program waits
beside the supervisor, in a session of its own, for the end of a pipe that only the supervisor holds
open. However the supervisor ended, it then ends what is left: asks each process by its own signal,
kills each group whose leader is gone, and everything after LIMIT seconds; last, on Linux, whatever
carries our mark in its environment, should it have left its group. It also holds the lock of the
state folder until then, so that no new supervisor meets old servers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "SAFELIGHT_SUPERVISED"
"""Environment variable that all our processes and theirs carry; its value is the TOKEN."""

LAST_CALL = 5.0
"""Seconds after which SIGQUIT is sent: Postgres then ends its sessions and itself at once."""

LIMIT = 7.0
"""Seconds after which everything is killed."""


def main(token: str) -> None:
    """Read '+ PID SIGNAL' and '- PID' lines until the supervisor is gone, then end what is left."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    left: dict[int, int] = {}
    for line in sys.stdin:
        sign, pid, *number = line.split()
        if sign == "+":
            left[int(pid)] = int(number[0])
        else:
            left.pop(int(pid), None)
    end(left)
    while marked := [pid for pid in processes() if carries(pid, token)]:
        for pid in marked:
            send(pid, signal.SIGKILL)
        time.sleep(0.05)


def end(left: dict[int, int]) -> None:
    """End these leaders (pid: signal) and their groups."""
    for pid, number in left.items():
        send(pid, number)
    start = time.monotonic()
    called = False
    while left:
        late = time.monotonic() - start
        for pid in [pid for pid in left if late > LIMIT or not is_alive(pid)]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            del left[pid]
        if late > LAST_CALL and not called:
            called = True
            for pid in left:
                send(pid, signal.SIGQUIT)
        time.sleep(0.05)


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie, which waits for its new parent to look at it, does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    return True


def processes() -> Iterator[int]:
    """All processes but this one; none where there is no /proc."""
    with contextlib.suppress(FileNotFoundError):
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                yield int(entry.name)


def carries(pid: int, token: str) -> bool:
    """Whether a process was started by our supervisor or by what it started."""
    with contextlib.suppress(OSError):
        return f"{MARK}={token}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False


if __name__ == "__main__":
    main(sys.argv[1])
