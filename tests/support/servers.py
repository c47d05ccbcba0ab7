"""Real stores for tests: Postgres, Valkey and SeaweedFS, started once, killed at will.

stores = start_stores(folder)
stores.database_url, stores.broker_url, stores.s3.endpoint
stores.valkey.kill(); ...; stores.valkey.start()
stores.stop()
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from safelight.local import places
from safelight.local.ports import Ports
from safelight.local.process import Child, Service
from safelight.local.seaweed import REGION, Seaweed, choose_ports
from safelight.local.valkey import Valkey
from tests.support import postgreses


class Server:
    """One of the stores: `start` returns when it answers, `stop` and `kill` when it is gone."""

    def __init__(self, service: Service, log: Path) -> None:
        self._log = log
        self._child = Child(service, self._write)

    def _write(self, name: str, line: str) -> None:
        with self._log.open("a") as file:
            file.write(f"{line}\n")

    @property
    def pid(self) -> int | None:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.running

    def start(self) -> None:
        """Start it if it does not run, and wait until it is ready."""
        if not self._child.running:
            self._child.start_until_ready()

    def stop(self) -> None:
        """End it in its own way."""
        self._child.stop()

    def kill(self) -> None:
        """kill -9."""
        self._child.kill()

    def pause(self) -> None:
        """Stop it from doing anything (SIGSTOP), as a machine that hangs does."""
        self._child.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._child.send(signal.SIGCONT)


@dataclass(frozen=True)
class S3:
    """How to reach the object store."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    region: str = REGION


@dataclass(frozen=True)
class Stores:
    """Three running stores."""

    folder: Path
    database_url: str
    broker_url: str
    s3: S3
    postgres: Server
    valkey: Server
    seaweed: Server

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead Safelight to these stores."""
        return {
            "DATABASE_URL": self.database_url,
            "BROKER_URL": self.broker_url,
            "S3_ENDPOINT_URL": self.s3.endpoint,
            "S3_BUCKET": self.s3.bucket,
            "AWS_ACCESS_KEY_ID": self.s3.access_key,
            "AWS_SECRET_ACCESS_KEY": self.s3.secret_key,
            "AWS_REGION": self.s3.region,
        }

    def stop(self) -> None:
        """Stop all three; their data stays. A paused one is let go on first."""
        for server in (self.seaweed, self.valkey, self.postgres):
            server.resume()
            server.stop()

    def remove(self) -> None:
        """Stop all three and delete their data, also what lies outside `folder`."""
        self.stop()
        for link in (self.folder / "postgres", self.folder / "run"):
            if link.is_symlink():
                shutil.rmtree(link.readlink(), ignore_errors=True)
                link.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_stores(folder: Path) -> Stores:
    """Start Postgres, Valkey and SeaweedFS with their data in `folder`, on loopback.

    Started again on the same folder, they have the data of before. Call it from the main thread:
    the servers end when the thread that started them does. End with `remove()`, or `stop()`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        folder.chmod(0o711)
    secret_file = folder / "secret"
    if not secret_file.exists():
        secret_file.write_text(secrets.token_hex(16))
    secret = secret_file.read_text()
    ports = Ports(folder / "ports.json")
    sockets = places.socket_folder(folder / "run")
    postgres = postgreses.server(folder / "postgres", sockets, ports.get("postgres"), secret)
    valkey = Valkey(folder / "valkey", sockets)
    seaweed = Seaweed(folder / "seaweed", sockets, choose_ports(ports), "tests", secret)
    servers = {
        service.name: Server(service, folder / f"{service.name}.log")
        for service in (postgres.service(), valkey.service(), seaweed.service())
    }
    stores = Stores(
        folder=folder,
        database_url=postgres.url,
        broker_url=valkey.url,
        s3=S3(seaweed.url, seaweed.access_key, seaweed.secret_key, seaweed.bucket),
        **servers,
    )
    try:
        for server in servers.values():
            server.start()
    except BaseException:
        stores.stop()
        raise
    return stores
