"""Safelight's own programs as services: the emulator, the schema, five workers, clock and API."""

from __future__ import annotations

import http.client
import signal
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from safelight.domain.queues import Queue
from safelight.local.process import Service

EMULATOR_KEEPS = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")
"""What the emulator gets of our environment. It stands for a foreign system: none of our secrets."""


def emulator(
    port: int, data: Path, token: str, base_env: Mapping[str, str], time_scale: float | None
) -> Service:
    """The Replicate emulator, with its models and files in `data`. It takes this token and no other."""
    tokens = data / "tokens"

    def prepare() -> None:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        tokens.touch(mode=0o600)
        tokens.write_text(f"{token}\n")

    scale = () if time_scale is None else ("--time-scale", str(time_scale))
    kept = {name: base_env[name] for name in EMULATOR_KEEPS if name in base_env}
    return Service(
        name="emulator",
        argv=(
            *(sys.executable, "-m", "safelight.local.emulator"),
            *("--port", str(port), "--data", str(data), "--tokens", str(tokens), *scale),
        ),
        env={**kept, "PYTHONUNBUFFERED": "1"},
        prepare=prepare,
        ready=lambda: answers(port, "/_emulator/health"),
    )


CLOCK = "clock"


def argv_of(name: str) -> tuple[str, ...]:
    """How the worker of the queue *name*, or the clock, is started."""
    if name == CLOCK:
        return (sys.executable, "-m", "workers.beat")
    return (
        *(sys.executable, "-m", "celery", "-A", f"workers.{name}", "worker"),
        *("--without-mingle", "--without-gossip", "--loglevel", "INFO", "-n", f"{name}@%h"),
    )


def safelight(
    servers: tuple[str, ...],
    env: Mapping[str, str],
    api_port: int,
    ready_folder: Path,
    *,
    without: Collection[Queue] = (),
) -> list[Service]:
    """The schema brought up to date, then workers, clock and API; all need all of `servers`.

    Workers and clock say that they are ready by a file in `ready_folder`. `without`: the queues whose
    workers are not started.
    """
    migrate = Service(
        name="migrate",
        argv=(sys.executable, "-m", "safelight.cli", "db", "migrate"),
        env=env,
        needs=tuple(name for name in servers if name == "postgres"),
        once=True,
    )
    needs = (*servers, "migrate")
    workers = [_worker(queue, env, needs) for queue in Queue if queue not in without]
    clock = Service(name=CLOCK, argv=argv_of(CLOCK), env=env, needs=needs)
    api = Service(
        name="api",
        argv=(sys.executable, "-m", "safelight.cli", "api", "--port", str(api_port)),
        env=env,
        needs=needs,
        ready=lambda: answers(api_port, "/healthz"),
        stop_timeout=5,
    )
    told = [_ready_by_file(service, ready_folder / service.name) for service in (*workers, clock)]
    return [migrate, *told, api]


def _worker(queue: Queue, env: Mapping[str, str], needs: tuple[str, ...]) -> Service:
    return Service(
        name=queue.value,
        argv=argv_of(queue.value),
        env=env,
        needs=needs,
        # A warm end even when the supervisor is killed: the processes of the pool end with their
        # parent then. Those that do not within seconds are killed by the watchdog.
        death_signal=signal.SIGTERM,
    )


def _ready_by_file(service: Service, file: Path) -> Service:
    def prepare() -> None:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.unlink(missing_ok=True)

    env = {**service.env, "SAFELIGHT_READY_FILE": str(file)}
    return replace(service, env=env, prepare=prepare, ready=file.exists)


def answers(port: int, path: str) -> bool:
    """Whether a server on this machine answers GET with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
