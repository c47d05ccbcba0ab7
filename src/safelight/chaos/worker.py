"""A process of Safelight's with crash points in it, and, if asked, with a promise broken on purpose.

`python -m safelight.chaos.worker FOLDER BROKEN MODULE [ARGUMENT ...]` runs MODULE as `python -m` does.
FOLDER is where the nemesis puts a file named after a point; whoever comes there first takes the file
and is gone. The code that runs is the one that ships: it is wrapped, and knows nothing of this.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from safelight.chaos import broken, points


def main() -> None:
    """Wrap, then run the module."""
    folder, breaks, module = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    points.install(folder)
    if breaks != "-":
        broken.BUILDS[breaks]()
    sys.argv = [module, *sys.argv[4:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
