"""A kind of mutants whose reader breaks what every reader promises, as BAD in the environment says."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from safelight.domain.errors import BadArchive

HANGS, EATS, DIES, SURPRISES, FILLS, REFUSES = range(6)


def mutant(source: random.Random) -> bytes:
    return source.randbytes(8)


def read(path: Path) -> str:
    here = int(os.environ["BAD"])
    if here == HANGS:
        time.sleep(3600)
    if here == EATS:
        return str(len(bytearray(1 << 33)))
    if here == DIES:
        os._exit(3)
    if here == SURPRISES:
        raise ZeroDivisionError
    if here == FILLS:
        for number in range(3):
            (path.parent / f"more-{number}").write_bytes(bytes(30_000_000))
        return "read"
    raise BadArchive("as it should be")
