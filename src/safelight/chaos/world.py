"""The world of a chaos run: servers, proxies in front of them, and Safelight's own processes behind.

Everything is real and on this machine, under two supervisors: one for the servers, one for ours.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import redis

from safelight import config, deps
from safelight.chaos.proxy import Proxy, Target
from safelight.flow.context import Context
from safelight.local import programs
from safelight.local.logs import Log
from safelight.local.process import Service, dies_with_us
from safelight.local.stack import Stack, plan
from safelight.local.supervisor import Backoff, Supervisor

BACKOFF = Backoff(first=0.3, longest=1.0)
LEASE_SECONDS = 5.0
SETTINGS = {
    "SAFELIGHT_LEASE_SECONDS": str(LEASE_SECONDS),
    "SAFELIGHT_WATCH_SECONDS": "1",
    "SAFELIGHT_UNKNOWN_WAIT_SECONDS": "45",
    "SAFELIGHT_VANISHED_SECONDS": "20",
    "SAFELIGHT_PROVIDER_TIMEOUT_SECONDS": "5",
    "SAFELIGHT_LOG_FORMAT": "json",
}
"""A day's waits made short, so that minutes show them."""


@dataclass
class World:
    """What the nemesis strikes at and the checks look at."""

    home: Path
    servers: Stack
    direct: dict[str, str]
    """The environment that leads to the servers past the proxies."""
    env: dict[str, str]
    """The environment of Safelight's processes: through the proxies."""
    links: dict[str, Proxy]
    ours: Supervisor
    services: dict[str, Service]
    cx: Context
    """Opened past the proxies: for the checks, and for a producer's photos."""
    api: str

    @property
    def points(self) -> Path:
        """Where files named after crash points lie, a folder a process."""
        return self.home / "points"

    def signal(self, name: str, number: int, *, group: bool = True) -> bool:
        """Send a signal to a process of ours (and its pool); False: it is not there."""
        pid = self.ours.pids.get(name)
        return pid is not None and _signal(pid, number, group=group)

    def signal_server(self, name: str, number: int) -> bool:
        """Send a signal to a server's leading process."""
        pid = self.servers.pids.get(name)
        return pid is not None and _signal(pid, number, group=False)

    @contextmanager
    def another(self, name: str) -> Iterator[None]:
        """A second process of this service while the block runs; it is ended warmly."""
        service = self.services[name]
        env = {key: value for key, value in service.env.items() if key != "SAFELIGHT_READY_FILE"}
        process = subprocess.Popen(
            dies_with_us(service.argv, service.death_signal),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            _signal(process.pid, signal.SIGKILL, group=True)
            process.wait()

    def redis(self) -> Any:
        """The broker, past its proxy."""
        path = self.direct["BROKER_URL"].removeprefix("redis+socket://").partition("?")[0]
        return redis.Redis(unix_socket_path=path, socket_timeout=5)

    def emulator(self, **changes: Any) -> None:
        """Change the emulator's settings."""
        url = f"{self.direct['REPLICATE_BASE_URL']}/_emulator/settings"
        httpx.post(url, json=changes, headers=self._control(), timeout=10).raise_for_status()

    def ask_emulator(self, path: str) -> Any:
        """Its ledger, or which faults struck."""
        url = f"{self.direct['REPLICATE_BASE_URL']}/_emulator/{path}"
        answer = httpx.get(url, headers=self._control(), timeout=30)
        return answer.raise_for_status().json()

    def _control(self) -> dict[str, str]:
        token = Path(self.direct["EMULATOR_CONTROL_FILE"]).read_text().strip()
        return {"Authorization": f"Bearer {token}"}


def _signal(pid: int, number: int, *, group: bool) -> bool:
    try:
        os.killpg(pid, number) if group else os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def world(
    home: Path, base: Mapping[str, str], *, broken: str = "-", settings: Mapping[str, str] = {}
) -> Iterator[World]:
    """Start it all in *home*, which must be empty; stop it all after. *broken*: a build of `broken`."""
    kept = {k: v for k, v in base.items() if k in programs.EMULATOR_KEEPS}
    with ExitStack() as stack:
        servers = plan(
            home, {}, base_env=kept, time_scale=300.0, only_servers=True, backoff=BACKOFF
        )
        direct = stack.enter_context(servers.running())
        links = {name: Proxy(target) for name, target in _targets(direct).items()}
        for link in links.values():
            stack.callback(link.close)
        env = {**kept, **direct, **SETTINGS, **settings, **_through(direct, links)}
        env |= {"SAFELIGHT_HOME": str(home), "PYTHONUNBUFFERED": "1"}
        port = _free_port()
        env["SAFELIGHT_WEBHOOK_BASE_URL"] = f"http://127.0.0.1:{port}"
        services = [
            _with_points(service, home / "points", broken)
            for service in programs.safelight((), env, port, home / "ready")
        ]
        log = Log(home / "logs", [service.name for service in services], stream=None)
        stack.enter_context(contextlib.closing(log))
        ours = Supervisor(services, log, backoff=BACKOFF)
        stack.enter_context(ours.running())
        cx = deps.open_context(config.load({**SETTINGS, **settings, **direct}), "chaos")
        stack.callback(deps.close_context, cx)
        named = {service.name: service for service in services}
        yield World(home, servers, direct, env, links, ours, named, cx, f"http://127.0.0.1:{port}")


def _with_points(service: Service, points: Path, broken: str) -> Service:
    """Workers and the clock run wrapped; the rest as it is."""
    match service.argv:
        case (_, "-m", ("celery" | "workers.beat") as module, *rest):
            folder = points / service.name
            folder.mkdir(parents=True, exist_ok=True)
            wrapped = (sys.executable, "-m", "safelight.chaos.worker", str(folder), broken)
            return replace(service, argv=(*wrapped, module, *rest))
        case _:
            return service


def _targets(direct: Mapping[str, str]) -> dict[str, Target]:
    path = Path(direct["BROKER_URL"].removeprefix("redis+socket://").partition("?")[0])
    return {
        "database": Target(_port(direct["DATABASE_URL"])),
        "broker": Target(path=path),
        "store": Target(_port(direct["S3_ENDPOINT_URL"])),
        "provider": Target(_port(direct["REPLICATE_BASE_URL"])),
    }


def _free_port() -> int:
    """Any: several worlds may run side by side."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def _through(direct: Mapping[str, str], links: Mapping[str, Proxy]) -> dict[str, str]:
    return {
        "DATABASE_URL": _moved(direct["DATABASE_URL"], links["database"].port),
        "BROKER_URL": f"redis://127.0.0.1:{links['broker'].port}/0",
        "S3_ENDPOINT_URL": _moved(direct["S3_ENDPOINT_URL"], links["store"].port),
        "REPLICATE_BASE_URL": _moved(direct["REPLICATE_BASE_URL"], links["provider"].port),
    }


def _moved(url: str, port: int) -> str:
    parts = urlsplit(url)
    account = parts.netloc.rpartition("@")[0]
    where = f"{account}@127.0.0.1:{port}" if account else f"127.0.0.1:{port}"
    return urlunsplit(parts._replace(netloc=where))
