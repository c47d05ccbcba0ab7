"""The HTTP API as a process of its own, over the network, on a test's stores."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from safelight.flow.context import Context
from tests.support.emulator import free_port

SERVE = """
import sys
from safelight.config import load
from safelight.web.app import serve
serve(load(), "127.0.0.1", int(sys.argv[1]))
"""


@dataclass(frozen=True)
class Served:
    """A running API: its address, its process, what it logged."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def end(self) -> int:
        """Tell it to stop, and wait until it has."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def environment(cx: Context) -> dict[str, str]:
    """What leads a process to the stores of *cx*, and to no provider."""
    secret = cx.settings.aws_secret_access_key
    return {
        **os.environ,
        "DATABASE_URL": cx.settings.database_url.get_secret_value(),
        "BROKER_URL": cx.settings.broker_url.get_secret_value(),
        "S3_ENDPOINT_URL": cx.settings.s3_endpoint_url or "",
        "S3_BUCKET": cx.settings.s3_bucket,
        "AWS_ACCESS_KEY_ID": cx.settings.aws_access_key_id or "",
        "AWS_SECRET_ACCESS_KEY": secret.get_secret_value() if secret else "",
        "REPLICATE_API_TOKEN": "r8_none",
        "REPLICATE_BASE_URL": "http://127.0.0.1:9",
        "SAFELIGHT_LOG_FORMAT": "json",
    }


@contextmanager
def served(cx: Context, folder: Path) -> Iterator[Served]:
    """The API, answering; killed after the block unless it has ended."""
    port = free_port()
    log = folder / "api.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(port)], env=environment(cx), stderr=stderr
        )
    try:
        found = Served(f"http://127.0.0.1:{port}", process, log)
        _until_it_answers(found.url)
        yield found
    finally:
        process.kill()
        process.wait()


def _until_it_answers(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
            return
        time.sleep(0.1)
    raise AssertionError("the API did not come up")
