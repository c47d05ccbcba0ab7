"""A supervisor with small services, run as a process of its own by the acceptance tests.

python -m tests.support.supervise FOLDER SERVICE ...
"""

from __future__ import annotations

import operator
import os
import signal
import sys
from functools import partial
from pathlib import Path

from safelight.local.logs import Log
from safelight.local.process import Service
from safelight.local.supervisor import Backoff, Supervisor

STEADY = "import time; print('here', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(15, signal.SIG_IGN);" + STEADY
# Children of its own, as a pool has; one leaves the group, and none heeds SIGTERM.
POOL = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for number in range(3):
    if os.fork() == 0:
        if number == 2:
            os.setsid()
        break
else:
    print('here', flush=True)
time.sleep(600)
"""
CELERY = (
    *("-m", "celery", "-b", "memory://", "worker", "--pool", "prefork", "-c", "2"),
    *("--without-mingle", "--without-gossip", "--without-heartbeat", "--loglevel", "INFO"),
)
KINDS: dict[str, tuple[str, ...]] = {
    "steady": ("-c", STEADY),
    "second": ("-c", STEADY),
    "stubborn": ("-c", STUBBORN),
    "pool": ("-c", POOL),
    # Slow enough to be seen running, as any program is on a busy machine.
    "fails": ("-c", "import sys, time; time.sleep(0.2); sys.exit('no good')"),
    "celery": CELERY,
}


def main(folder: Path, names: list[str]) -> None:
    """Run until stopped; each service needs the one before it. 'ready' is printed when all are."""
    services = [
        Service(
            name=name,
            argv=(sys.executable, *KINDS[name]),
            ready=partial(operator.ne, name, "fails"),
            env=dict(os.environ),
            needs=tuple(names[max(0, index - 1) : index]),
            stop_timeout=2,
            death_signal=signal.SIGTERM if name in {"celery", "pool"} else signal.SIGKILL,
        )
        for index, name in enumerate(names)
    ]
    log = Log(folder / "logs", names, stream=sys.stdout)
    supervisor = Supervisor(services, log, backoff=Backoff(first=0.2, longest=0.8))
    supervisor.run(lambda: print("all ready", flush=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
