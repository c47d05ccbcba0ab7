"""A real PgBouncer in front of a test's database, as managed Postgres has one.

with pooler(stores.database_url) as url: ...
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.support.emulator import free_port

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

needs_pgbouncer = pytest.mark.skipif(
    PROGRAM is None, reason="PgBouncer is not installed: `make pgbouncer` (Debian, as root)"
)

OPTIONS_IGNORED = "ignore_startup_parameters = options,extra_float_digits"
"""What its users write where a client sends settings with the connection."""


@contextlib.contextmanager
def pooler(
    database_url: str, folder: Path, *, more: str = "", mode: str = "transaction", size: int = 4
) -> Iterator[str]:
    """The URL of the same database through a pooler with *size* sessions of the server."""
    assert PROGRAM is not None
    parts = urlsplit(database_url)
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n"
        f"* = host=127.0.0.1 port={parts.port} user={parts.username} password={parts.password}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = {mode}\ndefault_pool_size = {size}\nmax_client_conn = 200\n"
        f"{more}\n"
    )
    user = None
    if os.geteuid() == 0:  # it does not run as root
        user = "nobody"
        os.chown(settings, pwd.getpwnam(user).pw_uid, -1)
        for parent in (folder, *folder.parents):
            if parent.owner() == "root" and parent != Path("/tmp"):
                parent.chmod(parent.stat().st_mode | 0o011)
    log = folder / "pgbouncer.log"
    with log.open("ab") as out:
        process = subprocess.Popen([PROGRAM, str(settings)], stdout=out, stderr=out, user=user)
    try:
        _until_it_listens(port, process, log)
        yield urlunsplit(parts._replace(netloc=f"{parts.username}:any@127.0.0.1:{port}"))
    finally:
        process.terminate()
        process.wait(10)


def _until_it_listens(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())
