"""A real emulator process on a loopback port, ended by its id."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from safelight.local.emulator import CONTROL_FILE
from safelight.local.process import dies_with_us

TOKEN = "r8_" + "e" * 37


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Emulator:
    """Start it, kill it, start it again on the same data."""

    data: Path
    arguments: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = (sys.executable, "-m", "safelight.local.emulator")
        where = ("--port", str(self.port), "--data", str(self.data))
        self.process = subprocess.Popen(dies_with_us((*command, *where, *self.arguments)))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/_emulator/health", timeout=1).json()["emulated"]:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise AssertionError("the emulator did not answer within 60 s")

    def end(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None

    def ledger(self, **query: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.own("GET", "ledger", params=query).json()["entries"]
        return entries

    def settings(self, **changes: Any) -> None:
        self.own("POST", "settings", json=changes)

    def own(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One of its own routes, with the token that its data folder has."""
        token = (self.data / CONTROL_FILE).read_text()
        answer = httpx.request(
            method,
            f"{self.url}/_emulator/{path}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            **more,
        )
        return answer.raise_for_status()


@contextmanager
def running(data: Path, *arguments: str) -> Iterator[Emulator]:
    emulator = Emulator(data, arguments)
    emulator.start()
    try:
        yield emulator
    finally:
        emulator.end()
