"""One chain for every record; nothing that looks like a secret passes it."""

from __future__ import annotations

import json
import logging as standard
from typing import Any

import pytest

from safelight import logging

SECRETS = (
    ("postgresql://app:hunter2pass@db/x", "hunter2pass"),
    ("redis://:brokerpass@valkey:6379/0", "brokerpass"),
    ("token r8_abcdefghijklmnopqrstuvwxyz0123456789x", "r8_abcdef"),
    ("key slk_Abc-def_123456789", "slk_Abc"),
    ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8G"),
    ("https://s3/x?X-Amz-Credential=AKIA%2F1&X-Amz-Signature=deadbeef01", "deadbeef01"),
    ("Authorization: Bearer abcdefghijklmnopqrstuvwx", "abcdefghijklmnopqrstuvwx"),
)


@pytest.fixture
def root() -> Any:
    """The root logger as it was, whatever a test makes of it."""
    logger = standard.getLogger()
    kept = (list(logger.handlers), logger.level)
    yield logger
    logger.handlers[:], level = kept
    logger.setLevel(level)


@pytest.mark.parametrize(("text", "secret"), SECRETS)
@pytest.mark.parametrize("format", ["json", "console"])
def test_no_secret_is_printed_whoever_logs_it(
    text: str, secret: str, format: Any, root: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.setup(format, component="test")
    logging.get("ours").info("said", what=text)
    standard.getLogger("theirs").warning("said %s", text)
    try:
        raise RuntimeError(text)
    except RuntimeError:
        logging.get("ours").exception("failed")
    printed = capsys.readouterr().err
    assert secret not in printed
    assert printed.count("***") >= 3


def test_a_line_is_one_json_object_with_the_ids_that_are_bound(
    root: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.setup("json", component="poll")
    with logging.bound(job_id="42"):
        logging.get("x").info("job.done", seconds=0.1)
        standard.getLogger("celery").warning("foreign")
    logging.get("x").info("after")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line.get("job_id") for line in lines] == ["42", "42", None]
    assert {line["component"] for line in lines} == {"poll"}
    assert lines[0]["event"] == "job.done"
