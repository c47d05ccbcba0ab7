"""A benchmark that only starts things, run as a process of its own by the tests.

python -m tests.support.bench KIND: prints the ids of its children, then does what KIND says.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from benchmarks.manners import start, stop_all, stores_in, workplace

STUBBORN = """
import os, signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print('here', flush=True)
time.sleep(600)
"""


def main(kind: str) -> None:
    """`ends` by itself; `waits` to be ended; `nohup`: does so, started by that; `fails`; `stores`: waits,
    with Postgres and the others."""
    # What a shell starts in the background without job control ignores Ctrl-C, and under nohup the end of
    # the terminal, as the tests may have been started.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_IGN if kind == "nohup" else signal.SIG_DFL)
    with workplace() as folder:
        if kind == "stores":
            with stores_in(folder / "stores") as stores:
                servers = (stores.postgres, stores.valkey, stores.seaweed)
                _ready(folder, [server.pid or 0 for server in servers])
                time.sleep(600)
        (folder / "log").touch()
        children = [start(f"child-{n}", ["-c", STUBBORN], {}, folder / "log") for n in range(3)]
        try:
            while (folder / "log").read_text().count("here") < len(children):
                time.sleep(0.05)
            _ready(folder, [child.pid or 0 for child in children])
            if kind == "fails":
                raise ValueError(kind)
            if kind in ("waits", "nohup"):
                time.sleep(600)
        finally:
            stop_all(children)


def _ready(folder: Path, pids: list[int]) -> None:
    print(folder, *pids, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
