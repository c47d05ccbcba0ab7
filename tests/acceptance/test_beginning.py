"""How a program begins: it works, it waits for a database that is away, or it ends and says why."""

from __future__ import annotations

import contextlib
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from safelight.chaos.proxy import Proxy, Target
from tests.support.emulator import free_port
from tests.support.processes import wait_until
from tests.support.programs import CLOCK, running, safelight, worker

POLL = worker("poll")


def leading(
    url: str, *, port: int | None = None, password: str | None = None, path: str = ""
) -> str:
    """*url* with another port, password or database."""
    parts = urlsplit(url)
    login = f"{parts.username}:{password or parts.password}"
    netloc = f"{login}@{parts.hostname}:{port or parts.port}"
    return urlunsplit(parts._replace(netloc=netloc, path=path or parts.path))


def wrong_settings(
    given: Mapping[str, str],
) -> dict[str, tuple[tuple[str, ...], dict[str, str], str, str]]:
    """What is wrong → the program, its settings, the reason's code, and a word of what is said."""
    url = given["DATABASE_URL"]
    mysql = {"DATABASE_URL": url.replace("postgresql", "mysql", 1)}
    password = {"DATABASE_URL": leading(url, password="wrong-password")}
    nowhere = {"DATABASE_URL": leading(url, path="/nowhere")}
    return {
        "scheme": (POLL, mysql, "not-configured", "MySQL"),
        "password": (POLL, password, "database-refuses", "password authentication failed"),
        "broker": (POLL, {"BROKER_URL": "memory://"}, "not-configured", "nowhere"),
        "database": (CLOCK, nowhere, "database-refuses", "does not exist"),
    }


def test_a_program_that_cannot_work_ends_with_one_line_that_says_why(
    given: dict[str, str], tmp_path: Path
) -> None:
    """It stood there, ready, and did nothing."""
    wrong = wrong_settings(given)
    with contextlib.ExitStack() as all:
        started = {
            label: all.enter_context(running(label, command, {**given, **settings}, tmp_path))
            for label, (command, settings, _, _) in wrong.items()
        }
        for label, program in started.items():
            command, _, code, said = wrong[label]
            assert program.ended(120) == 1, f"{label}\n{program.text}"
            (line,) = [found for found in program.lines() if found["level"] == "error"]
            assert line["event"] == ("clock.stopped" if command is CLOCK else "worker.stopped")
            assert line["reason"] == code, label
            assert said in line["error"], label
            assert "Traceback" not in program.text, label
            assert not program.ready.exists(), label
            for secret in ("wrong-password", str(urlsplit(given["DATABASE_URL"]).password)):
                assert secret not in program.text, label


def test_the_api_with_malformed_settings_ends_and_without_its_database_says_so(
    given: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    away = {**given, "DATABASE_URL": leading(given["DATABASE_URL"], port=9)}
    bad = {**given, "BROKER_URL": "sqs://AKIA:marked@"}
    serve = safelight("api", "--port", str(port))
    with running("bad", serve, bad, tmp_path) as program:
        assert program.ended() == 1
        assert "BROKER_URL: sqs:// is no broker that Safelight works with" in program.text
        assert "marked" not in program.text
    with running("away", serve, away, tmp_path) as program:
        wait_until(lambda: status(port, "/healthz") == 200, 60, program.text)
        assert status(port, "/readyz") == 503
        assert program.process.poll() is None


def status(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            code: int = answer.status
            return code
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_a_database_that_is_away_is_waited_for_and_said_once(
    given: dict[str, str], tmp_path: Path
) -> None:
    proxy = Proxy(Target(urlsplit(given["DATABASE_URL"]).port or 0))
    proxy.down()
    through = {**given, "DATABASE_URL": leading(given["DATABASE_URL"], port=proxy.port)}
    try:
        with (
            running("worker", POLL, through, tmp_path) as waiting,
            running("clock", CLOCK, through, tmp_path) as clock,
        ):
            for program in (waiting, clock):
                program.until("database.awaited")
            time.sleep(3)
            for program in (waiting, clock):
                assert program.process.poll() is None
                assert not program.ready.exists()
                assert program.events().count("database.awaited") == 1
            proxy.up()
            for program in (waiting, clock):
                program.until("database.there", 20)
                program.until_ready(30)
            # And again, while they work: they go on by themselves.
            proxy.down()
            clock.until("clock.tick_missed", 40)
            proxy.up()
            ticks = clock.events().count("clock.tick_missed")
            time.sleep(3)
            assert clock.events().count("clock.tick_missed") <= ticks + 1
            assert waiting.process.poll() is None
    finally:
        proxy.close()


def test_a_clock_that_waits_ends_when_it_is_told_to(given: dict[str, str], tmp_path: Path) -> None:
    away = {**given, "DATABASE_URL": leading(given["DATABASE_URL"], port=9)}
    with running("clock", CLOCK, away, tmp_path) as clock:
        clock.until("database.awaited")
        clock.process.terminate()
        assert clock.ended(10) == 0


def test_a_host_that_nobody_knows_is_waited_for_no_longer_than_a_name_takes_to_come_up(
    given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from safelight import config
    from safelight.db.faults import DatabaseUnknown
    from workers import starting

    monkeypatch.setattr(starting, "UNKNOWN_SECONDS", 1.5)
    unknown = {**given, "DATABASE_URL": "postgresql://u:p@no.such.host.invalid/x"}
    started = time.monotonic()
    with pytest.raises(DatabaseUnknown):
        starting.await_database(config.load(unknown))
    assert 1.5 < time.monotonic() - started < 8
