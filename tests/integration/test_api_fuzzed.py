"""The API under a fuzzer that reads the OpenAPI document: whatever comes, a documented answer, and soon.

Two minutes; `make fuzz SEED=... SECONDS=...` runs it longer or elsewhere. Each operation gets what its schema
allows, what it does not, and odd values at every limit, then calls that follow from each other.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from safelight.flow.context import Context
from tests.support.api import Door
from tests.support.past import add_drawing, add_version
from tests.support.photos import distinct_photos
from tests.support.pipeline import subject_with_photos
from tests.support.serving import served

SECONDS = int(os.environ.get("FUZZ_SECONDS", "120"))
SEED = os.environ.get("FUZZ_SEED", "1")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "ignored_auth",
    "unsupported_method",
    "allow_header_conformance",
)
ANSWER_SECONDS = 2.0


def _as_slow_as_here(url: str, key: str) -> float:
    """How long an answer may take: two seconds, and longer where even a plain GET takes its time."""
    took = []
    for _ in range(20):
        started = time.monotonic()
        httpx.get(f"{url}/v1/subjects", headers={"X-API-Key": key}, timeout=30)
        took.append(time.monotonic() - started)
    return ANSWER_SECONDS * max(1.0, statistics.median(took) / 0.02)


@pytest.mark.timeout(SECONDS + 300)
def test_whatever_comes_the_answer_is_a_documented_one(
    cx: Context, acme: Door, tmp_path: Path
) -> None:
    subject = subject_with_photos(cx, acme.actor, distinct_photos(tmp_path, 2), name="luca")
    version = add_version(cx, subject.id, 1, state="active")
    add_drawing(cx, version, purpose="request", days=0)
    with served(cx, tmp_path) as api:
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                "run",
                f"{api.url}/openapi.json",
                *("--header", f"Authorization: Bearer {acme.key}"),
                *("--checks", ",".join(CHECKS)),
                *("--max-time", str(SECONDS)),
                *("--max-response-time", str(_as_slow_as_here(api.url, acme.key))),
                # It needs the provider's signature, and has its own tests.
                *("--exclude-path", "/webhooks/replicate"),
                *("--seed", SEED),
                *("--generation-database", "none"),
                *("--request-timeout", "60"),
                *("--warnings", "off"),
                "--continue-on-failure",
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=SECONDS + 240,
            check=False,
        )
        said = api.log.read_text()
    report = done.stdout[max(0, done.stdout.find("FAILURES")) :][-15_000:]
    assert done.returncode == 0, f"seed {SEED}\n{report}\n{done.stderr[-2000:]}"
    assert re.search(r"\d+ generated", done.stdout), done.stdout[-2000:]
    assert "request.surprise" not in said
