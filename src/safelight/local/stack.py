"""Everything on one machine: which servers are ours to start, and all of Safelight on top."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal, TextIO

from safelight.domain.queues import Queue
from safelight.local import places, programs
from safelight.local.choice import S3_NAMES, Choice, Part, choose
from safelight.local.emulator import CONTROL_FILE
from safelight.local.logs import Log
from safelight.local.ports import Ports
from safelight.local.postgres import Postgres
from safelight.local.process import LocalError, Service
from safelight.local.seaweed import REGION, Seaweed, choose_ports
from safelight.local.state import Held, State, is_held, read_environment
from safelight.local.supervisor import Backoff, Supervisor
from safelight.local.valkey import Valkey

API_PORT = 8700
"""The API's port when it is free and none was asked for."""

BACKOFF = Backoff()
"""How soon what ended is started again."""

JOIN_SECONDS = 120.0
"""How long to wait for another supervisor on the same folder to become ready."""


def plan(
    home: Path,
    given: Mapping[str, str],
    *,
    base_env: Mapping[str, str] | None = None,
    api_port: int | None = None,
    time_scale: float | None = None,
    stream: TextIO | None = None,
    only_servers: bool = False,
    without: Collection[Queue] = (),
    backoff: Backoff = BACKOFF,
) -> Stack:
    """A stack on the state folder `home`, not started yet; nothing is written before it is.

    `given` are the variables that decide what is embedded, `base_env` the whole environment that
    our own processes get (default: `given`), `api_port` the API's port (default: last time's, else
    8700, else a free one), `time_scale` the emulator's, `stream` where the log goes (default:
    standard error). `only_servers` starts stores, broker and emulator and nothing of Safelight's
    own, for those who run that part by hand; `without` leaves out the workers of these queues.
    `backoff`: how soon what ended is started again.

    Raises `LocalError` where the variables contradict each other.
    """
    return Stack(
        State(home),
        choose(given),
        dict(given if base_env is None else base_env),
        api_port,
        time_scale,
        stream or sys.stderr,
        only_servers=only_servers,
        without=without,
        backoff=backoff,
    )


class Stack:
    """All of Safelight on one machine. Made by `plan`; use it once, by `run` or by `running`."""

    def __init__(
        self,
        state: State,
        choice: Choice,
        base_env: dict[str, str],
        api_port: int | None,
        time_scale: float | None,
        stream: TextIO,
        *,
        only_servers: bool = False,
        without: Collection[Queue] = (),
        backoff: Backoff = BACKOFF,
    ) -> None:
        self._state = state
        self._choice = choice
        self._base_env = base_env
        self._api_port = api_port
        self._time_scale = time_scale
        self._stream = stream
        self._only_servers = only_servers
        self._without = without
        self._backoff = backoff
        self._environment: dict[str, str] = {}
        self._supervisor: Supervisor | None = None

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of what runs now, by service."""
        return self._supervisor.pids if self._supervisor else {}

    @property
    def embedded(self) -> tuple[Part, ...]:
        """The servers that are started here; the others are used by their variables."""
        return self._choice.embedded

    @property
    def environment(self) -> dict[str, str]:
        """What leads other commands here, as in `environment.json`; empty before the start."""
        return dict(self._environment)

    def run(
        self,
        on_ready: Callable[[dict[str, str]], None] | None = None,
        *,
        quiet: bool = False,
    ) -> None:
        """Run until Ctrl-C, SIGTERM or SIGHUP, a second one kills. From the main thread only.

        `on_ready` gets the environment once all are ready. `quiet` sends logs to files only.
        Raises `Held` if another supervisor runs on the folder, `LocalError` if a part fails.
        """
        self._state.acquire()
        try:
            supervisor, log = self._prepare(quiet=quiet)
            with contextlib.closing(log):
                supervisor.run(lambda: self._publish(on_ready))
        finally:
            self._state.release()

    @contextlib.contextmanager
    def running(self, logs: Literal["quiet", "show"] = "quiet") -> Iterator[dict[str, str]]:
        """Run while the block runs, which gets the environment; start first, stop all after.

        If another supervisor runs on the folder already, the block gets that one's environment, and
        nothing is started or stopped.
        """
        try:
            self._state.acquire()
        except Held:
            self._environment = self._join()
            yield self.environment
            return
        try:
            supervisor, log = self._prepare(quiet=logs == "quiet")
            with contextlib.closing(log), supervisor.running(self._publish):
                yield self.environment
        finally:
            self._state.release()

    def _join(self) -> dict[str, str]:
        deadline = time.monotonic() + JOIN_SECONDS
        while time.monotonic() < deadline and is_held(self._state.folder):
            found = read_environment(self._state.folder)
            if found is not None:
                return found
            time.sleep(0.1)
        raise LocalError(
            f"The supervisor that runs on {self._state.folder} did not become ready within "
            f"{JOIN_SECONDS:g} s, or has stopped.",
            hint=f"Its logs are in {self._state.folder / 'logs'}.",
        )

    def _publish(self, then: Callable[[dict[str, str]], None] | None = None) -> None:
        self._state.publish(self._environment)
        if then is not None:
            then(self.environment)

    def _prepare(self, *, quiet: bool) -> tuple[Supervisor, Log]:
        """Settle ports and secrets, and make the supervisor of all; only as the folder's owner."""
        folder = self._state.folder
        services, api_port = self._servers()
        servers = tuple(service.name for service in services)
        ours = {
            name: value
            for name, value in self._base_env.items()
            # Keys for another store must not mix with those of ours.
            if "seaweed" not in self.embedded or name not in S3_NAMES
        }
        colors = self._stream.isatty() and not self._base_env.get("NO_COLOR")
        env = {
            **({"SAFELIGHT_LOG_FORMAT": "console"} if self._stream.isatty() else {}),
            **ours,
            **self._environment,
            "SAFELIGHT_HOME": str(folder),
            "PYTHONUNBUFFERED": "1",
        }
        if not self._only_servers:
            services += programs.safelight(
                servers, env, api_port, folder / "ready", without=self._without
            )
        shown = None if quiet else self._stream
        log = Log(
            folder / "logs",
            [service.name for service in services],
            stream=shown,
            color=colors,
            quiet=[service.name for service in services if service.quiet],
        )
        self._supervisor = Supervisor(
            services, log, hold=[self._state.lock_descriptor], backoff=self._backoff
        )
        return self._supervisor, log

    def _servers(self) -> tuple[list[Service], int]:
        """The embedded servers and the API's port; settles the environment that leads to all."""
        state, folder = self._state, self._state.folder
        ports = Ports(folder / "ports.json")
        sockets = places.socket_folder(folder / "run")
        api_port = self._api_port or ports.get("api", prefer=API_PORT)
        services: list[Service] = []
        found = dict(self._choice.given)
        if "postgres" in self.embedded:
            password = state.secret("postgres")
            postgres = Postgres(folder / "postgres", sockets, ports.get("postgres"), password)
            found["DATABASE_URL"] = postgres.url
            services.append(postgres.service())
        if "valkey" in self.embedded:
            valkey = Valkey(folder / "valkey", sockets)
            found["BROKER_URL"] = valkey.url
            services.append(valkey.service())
        if "seaweed" in self.embedded:
            seaweed = Seaweed(
                folder / "seaweed",
                sockets,
                choose_ports(ports),
                state.secret("s3-access", prefix="SL"),
                state.secret("s3-secret"),
                self._base_env.get("S3_BUCKET") or "safelight",
            )
            found |= {
                "S3_ENDPOINT_URL": seaweed.url,
                "S3_BUCKET": seaweed.bucket,
                "AWS_ACCESS_KEY_ID": seaweed.access_key,
                "AWS_SECRET_ACCESS_KEY": seaweed.secret_key,
                "AWS_REGION": REGION,
            }
            services.append(seaweed.service())
        if "emulator" in self.embedded:
            port = ports.get("emulator")
            token = state.secret("replicate", prefix="r8_")
            found["REPLICATE_API_TOKEN"] = token
            found["REPLICATE_BASE_URL"] = f"http://127.0.0.1:{port}"
            data = folder / "emulator"
            found["EMULATOR_CONTROL_FILE"] = str(data / CONTROL_FILE)
            services.append(programs.emulator(port, data, token, self._base_env, self._time_scale))
        self._environment = {
            **found,
            "API_URL": f"http://127.0.0.1:{api_port}",
            "pid": str(os.getpid()),
            "started_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        }
        return services, api_port
