"""A real RabbitMQ of a test's own, where Debian's package is installed. Ended by its id."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.emulator import free_port
from tests.support.processes import tree

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

needs_rabbitmq = pytest.mark.skipif(
    not PROGRAM.exists(), reason="RabbitMQ is not installed: `make rabbitmq` (Debian, as root)"
)


class RabbitMQ:
    """A node on loopback: `url` leads to it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self.log = folder / "rabbitmq.log"
        settings = folder / "rabbitmq.conf"
        settings.write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")
        (folder / "plugins").write_text("[].\n")
        distribution, self._epmd = free_port(), str(free_port())
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"tests{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_CONFIG_FILE": str(settings),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": self._epmd,
        }
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [str(PROGRAM)], env=env, cwd=folder, stdout=out, stderr=out, start_new_session=True
            )

    def until_it_answers(self, seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), 2) as there,
            ):
                there.sendall(b"AMQP\x00\x00\x09\x01")
                if there.recv(1):
                    return
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.2)
        raise AssertionError(self.log.read_text())

    def signal(self, number: int) -> None:
        """To the node and all its processes."""
        for pid in (self.process.pid, *tree(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self) -> None:
        self.signal(signal.SIGCONT)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        # The name server that the node started outlives it, in a session of its own.
        for _ in range(20):
            done = subprocess.run(
                ["epmd", "-port", self._epmd, "-kill"], capture_output=True, text=True, check=False
            )
            if "Killed" in done.stdout or done.returncode:
                break
            time.sleep(0.1)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[RabbitMQ]:
    """A node that answers."""
    node = RabbitMQ(folder)
    try:
        node.until_it_answers()
        yield node
    finally:
        node.end()
