"""Loopback ports: free ones, and the same ones as last time where they still are."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

LOW, HIGH = 12_000, 22_000
"""Ports are drawn from here, so that port + 10 000 (SeaweedFS's gRPC) stays under 32 768 as well:
from there on Linux takes ports for outgoing connections, and could take one of ours at a restart."""


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1 at this port now."""
    with socket.socket() as probe:
        # Else the remains of connections to a server that has just ended count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


Check = Callable[[int], bool]
"""Whether a port that is free may be taken."""


def _any(port: int) -> bool:  # noqa: ARG001  # a Check
    return True


def choose(taken: Iterable[int] = (), check: Check = _any) -> int:
    """A free port in [LOW, HIGH) that is not in `taken` and passes `check`.

    Raises OSError when two hundred draws found none.
    """
    avoid = set(taken)
    for _ in range(200):
        port = random.randrange(LOW, HIGH)  # noqa: S311  # no secret
        if port not in avoid and is_free(port) and check(port):
            return port
    raise OSError(f"No free port was found on 127.0.0.1 between {LOW} and {HIGH}.")


class Ports:
    """Ports by name, remembered in a JSON file. Only the owner of the state folder may use it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        self._used: set[int] = set()

    def get(self, name: str, *, prefer: int | None = None, check: Check = _any) -> int:
        """The port of that name: last time's if free, else `prefer` if free, else another."""
        hopes = [port for port in (self._known.get(name), prefer) if port]
        port = next(
            (p for p in hopes if p not in self._used and is_free(p) and check(p)), None
        ) or choose(self._used, check)
        self._used.add(port)
        if self._known.get(name) != port:
            self._known[name] = port
            self._file.write_text(json.dumps(self._known, indent=1))
        return port
