"""The state folder: who owns it, its secrets, and how other commands find what runs on it."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from safelight.local import places
from safelight.local.process import LocalError

DYING_SECONDS = 15.0
"""How long the servers of a killed supervisor may hold the folder; the watchdog's limit is 7 s."""


class Held(LocalError):
    """Another supervisor runs on this state folder."""

    code = "held"


class State:
    """A folder (`.safelight`) with the data of one local stack; one supervisor may own it.

    The lock is an flock on `lock`, whose content is the owner's pid. It ends with the last process
    that holds it: the supervisor or, if that was killed, the watchdog.
    """

    def __init__(self, home: Path) -> None:
        self.folder = home.absolute()
        self._descriptor: int | None = None

    @property
    def lock_descriptor(self) -> int:
        """The locked file's descriptor, for the watchdog to hold as well."""
        assert self._descriptor is not None, "acquire() comes first"
        return self._descriptor

    def acquire(self) -> None:
        """Make the folder and become its owner, waiting for a killed owner's servers to end.

        Raises `Held` if another supervisor runs on it, `LocalError` if another user owns it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        owner = self.folder.stat().st_uid
        if owner != os.geteuid():
            raise LocalError(
                f"{self.folder} belongs to user {owner}, and this is user {os.geteuid()}.",
                hint="Go on as that user, remove the folder, or set SAFELIGHT_HOME to another.",
            )
        # Root lets Postgres's user through (not in: it cannot list the folder).
        self.folder.chmod(0o711 if places.is_root() else 0o700)
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + DYING_SECONDS
        looks = 0
        while not _lock(descriptor):
            looks += 1
            pid = _owner(descriptor)
            # The first looks may have met a reader, who holds the lock for a moment.
            if (looks > 5 and pid is not None) or time.monotonic() > deadline:
                os.close(descriptor)
                raise Held(
                    f"Safelight already runs on {self.folder} (process {pid or 'unknown'}).",
                    hint="Use that one (`safelight status`), stop it with Ctrl-C, "
                    "or set SAFELIGHT_HOME to another folder.",
                )
            time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the folder up."""
        if self._descriptor is not None:
            (self.folder / "environment.json").unlink(missing_ok=True)
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def secret(self, name: str, *, prefix: str = "") -> str:
        """A random secret of that name, 32 hex digits after `prefix`, made once and kept (0600)."""
        file = self.folder / "secrets.json"
        known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        if name not in known:
            known[name] = prefix + secrets.token_hex(16)
            _write_private(file, known)
        return known[name]

    def publish(self, environment: Mapping[str, str]) -> None:
        """Tell other commands of this user on this machine how to reach what runs (0600)."""
        _write_private(self.folder / "environment.json", environment)


def read_environment(home: Path) -> dict[str, str] | None:
    """How to reach the stack that runs on `home`; None if none runs, or it is not ready yet.

    Raises `LocalError` when it runs as another user, whose secrets cannot be read.
    """
    folder = home.absolute()
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise LocalError(f"{folder} belongs to another user.") from error
    try:
        if _lock(descriptor):
            return None
        pid = _owner(descriptor)
        found: dict[str, str] = json.loads((folder / "environment.json").read_text())
        return found if pid is not None and found.get("pid") == str(pid) else None
    except FileNotFoundError:
        return None
    finally:
        os.close(descriptor)


def is_held(home: Path) -> bool:
    """Whether a living supervisor owns `home`, ready or not."""
    try:
        descriptor = os.open(home / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _lock(descriptor) and _owner(descriptor) is not None
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(descriptor: int) -> int | None:
    """The pid in the lock file, if a process of that number runs."""
    said = os.pread(descriptor, 20, 0)
    if not said.isdigit():
        return None
    try:
        os.kill(int(said), 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return int(said)


def _write_private(file: Path, content: Mapping[str, str]) -> None:
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump(content, out, indent=1)
    new.replace(file)
