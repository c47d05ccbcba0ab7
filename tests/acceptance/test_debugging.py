"""Debugging one worker: everything runs but it, and the command that is printed starts it by hand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from safelight.domain.queues import Queue
from tests.support.programs import running, safelight

QUIET = [queue for queue in Queue if queue is not Queue.CLEANUP]
"""Left out, so that this test starts few processes."""


def test_what_was_left_out_is_started_by_the_command_that_was_printed(
    given: dict[str, str], tmp_path: Path
) -> None:
    home = tmp_path / "its home"
    without = [word for queue in QUIET for word in ("--without", queue)]
    settings = {**given, "SAFELIGHT_HOME": str(home)}
    with running("up", safelight("up", *without), settings, tmp_path) as up:
        up.until_said("worker generate")
        assert {file.stem for file in (home / "ready").iterdir()} == {"cleanup", "clock"}
        (line,) = re.findall(r"SAFELIGHT_HOME=.* worker generate", up.text)
        setting, *command = shlex.split(line)
        # In another terminal: nothing but this line says where the database is.
        by_hand = dict([setting.split("=", 1)])
        with running("by-hand", tuple(command), by_hand, tmp_path) as generate:
            generate.until("worker.ready")
        assert generate.process.returncode == 0
