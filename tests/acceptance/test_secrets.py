"""Marked secrets in every setting: none is in any output, log, command line or row."""

from __future__ import annotations

import base64
import contextlib
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
import redis
from psycopg import sql

from safelight.db import jobs
from safelight.db.transaction import Database
from safelight.domain.queues import Kind
from tests.support.emulator import free_port
from tests.support.flight import IN_FLIGHT
from tests.support.processes import wait_until
from tests.support.programs import CLOCK, Program, finished, running, safelight, worker
from tests.support.servers import Stores

# Letters and digits of each stay as they are in every spelling; what is around them does not.
CORES = {
    "database": "q7DBx91k",
    "broker": "q7BRx92k",
    "limits": "q7LIx93k",
    "token": "q7TOx94k",
    "webhook": "q7WHx95k",
    "libpq": "q7PGx96k",
}
KEY = base64.b64encode(b"q7STx97k" * 4).decode()
HOOK = base64.b64encode(b"q7SIx98k" * 3).decode()


def password(of: str) -> str:
    return f"p@{CORES[of]}/%'\" é"


@pytest.fixture
def marked(stores: Stores, given: dict[str, str]) -> Iterator[dict[str, str]]:
    """Settings that work, each secret with a mark in it."""
    parts = urlsplit(given["DATABASE_URL"])
    with psycopg.connect(given["DATABASE_URL"], autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS marked")
        admin.execute(
            sql.SQL("CREATE ROLE marked LOGIN SUPERUSER PASSWORD {}").format(password("database"))
        )
    socket = stores.broker_url.removeprefix("redis+socket://")
    login = quote(password("database"), safe="")
    with redis.Redis(unix_socket_path=socket) as valkey:
        valkey.flushall()
        valkey.acl_setuser(
            "limiter",
            enabled=True,
            passwords=[f"+{password('limits')}"],
            commands=["+@all"],
            keys=["*"],
        )
        valkey.config_set("requirepass", password("broker"))
    broker, limits = (quote(password(of), safe="") for of in ("broker", "limits"))
    yield {
        **given,
        "DATABASE_URL": urlunsplit(
            parts._replace(netloc=f"marked:{login}@{parts.hostname}:{parts.port}")
        ),
        "BROKER_URL": f"redis+socket://:{broker}@{socket}",
        "SAFELIGHT_LIMITS_URL": f"redis+socket://limiter:{limits}@{socket}",
        "REPLICATE_API_TOKEN": f"r8_{CORES['token']}" + "e" * 29,
        "SAFELIGHT_STATEMENT_KEY": KEY,
        "REPLICATE_WEBHOOK_SECRET": f"whsec_{HOOK}",
        "SAFELIGHT_WEBHOOK_BASE_URL": "https://example.org",
        "PGPASSWORD": password("libpq"),
    }
    with redis.Redis(unix_socket_path=socket, password=password("broker")) as valkey:
        valkey.config_set("requirepass", "")
    with psycopg.connect(given["DATABASE_URL"], autocommit=True) as admin:
        admin.execute("DROP OWNED BY marked")
        admin.execute("DROP ROLE marked")


def found_in(text: str, settings: Mapping[str, str]) -> list[str]:
    """The secrets that *text* shows."""
    secrets = {**CORES, "key": KEY, "hook": HOOK, "store": settings["AWS_SECRET_ACCESS_KEY"]}
    return [name for name, secret in secrets.items() if secret.lower() in text.lower()]


def faulty(settings: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Settings with one thing wrong, whose messages libraries write with the address in them."""
    url = settings["DATABASE_URL"]
    return {
        "password": {"DATABASE_URL": url.replace("p%40", "P%40", 1)},
        "scheme": {"DATABASE_URL": url.replace("postgresql", "mysql", 1)},
        "host": {"DATABASE_URL": url.replace("127.0.0.1", "no.such.host.invalid")},
        "unquoted": {"DATABASE_URL": f"postgresql://marked:{CORES['database']}/x@127.0.0.1/x"},
        "parameter": {"DATABASE_URL": f"{url}?nonsense={CORES['database']}"},
        "no broker": {"BROKER_URL": f"redis://u:{CORES['broker']}@127.0.0.1:9/0"},
        "webhook": {"SAFELIGHT_WEBHOOK_BASE_URL": f"https://hook:{CORES['webhook']}@example.org"},
        "token": {"REPLICATE_API_TOKEN": f"r8_{CORES['token']}\n{CORES['token']}"},
    }


def test_no_output_of_a_command_holds_a_secret(marked: dict[str, str]) -> None:
    faults = {fault: {**marked, **changes} for fault, changes in faulty(marked).items()}
    doctor, check, status = ("doctor", "--json"), ("db", "check"), ("status",)
    asked = {
        ("good", *doctor): marked,
        ("good", *status): marked,
        ("password", *check): faults["password"],
        ("scheme", *check): faults["scheme"],
        ("no broker", "doctor"): faults["no broker"],
        ("password", *status): {**faults["password"], "SAFELIGHT_DEBUG": "1"},
    }
    asked |= {(fault, *doctor): faults[fault] for fault in faults}
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda one: finished(safelight(*one[0][1:]), one[1]), asked.items())
        said = dict(zip(asked, answers, strict=True))
    for (fault, *command), (code, text, _) in said.items():
        label = f"{fault}: {command}\n{text[-1500:]}"
        assert found_in(text, marked) == [], label
        assert code in (0, 1), label
        if tuple(command) == doctor:
            assert '"verdict"' in text, label
        if tuple(command) != status:
            assert "Traceback" not in text, label
    assert said["good", *status][0] == 0, said["good", *status][1]
    assert said["password", *check][0] == said["scheme", *check][0] == 1
    assert "Traceback" in said["password", *status][1], "what nobody catches is clean too"


def test_no_log_command_line_or_row_holds_a_secret(
    stores: Stores, given: dict[str, str], marked: dict[str, str], tmp_path: Path
) -> None:
    """While all goes well, and while the database and the broker refuse us."""
    port = free_port()
    console = {**marked, "SAFELIGHT_LOG_FORMAT": "console", "SAFELIGHT_LOG_LEVEL": "DEBUG"}
    commands = {
        "poll": (worker("poll"), marked),
        "preprocess": (worker("preprocess"), console),
        "clock": (CLOCK, marked),
        "api": (safelight("api", "--port", str(port)), marked),
    }
    socket = stores.broker_url.removeprefix("redis+socket://")
    with contextlib.ExitStack() as all:
        programs = {
            name: all.enter_context(running(name, command, settings, tmp_path))
            for name, (command, settings) in commands.items()
        }
        for name in ("poll", "preprocess", "clock"):
            programs[name].until_ready(90)
        wait_until(lambda: answer(port, "/readyz") == 200, 60, programs["api"].text)
        watch_something(given["DATABASE_URL"])
        programs["poll"].until("job.wait", 30)
        # The database does not know us any more, and the broker neither.
        with psycopg.connect(given["DATABASE_URL"], autocommit=True) as admin:
            admin.execute("ALTER ROLE marked PASSWORD 'another'")
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'marked'"
            )
        with redis.Redis(unix_socket_path=socket, password=password("broker")) as valkey:
            valkey.config_set("requirepass", "another")
            valkey.client_kill_filter(_type="normal", skipme=True)
        assert answer(port, "/readyz") == 503
        assert answer(port, "/v1/subjects", "slk_nobody") >= 401
        programs["clock"].until("clock.tick_missed", 30)
        time.sleep(2)
        with redis.Redis(unix_socket_path=socket, password="another") as valkey:
            valkey.config_set("requirepass", password("broker"))
        for program in programs.values():
            program.look_at_commands()
    for name, program in programs.items():
        assert_clean(name, program, marked)
        assert len(program.text) > 200, name
    rows = everything_in(given["DATABASE_URL"])
    assert "cannot be reached" in rows, "what a fault said is on record"
    assert found_in(rows, marked) == []


def assert_clean(name: str, program: Program, settings: Mapping[str, str]) -> None:
    assert found_in(program.text, settings) == [], f"{name}: {program.text[-3000:]}"
    seen = "\n".join(program.commands)
    assert "python" in seen
    assert found_in(seen, settings) == [], seen


def answer(port: int, path: str, key: str = "") -> int:
    """The status; the answer itself shows no secret either."""
    code, body = _asked(port, path, key)
    assert not any(core in body for core in CORES.values()), body
    return code


def _asked(port: int, path: str, key: str) -> tuple[int, str]:
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if key:
        asked.add_header("Authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(asked, timeout=30) as found:
            return found.status, found.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def watch_something(url: str) -> None:
    """A training in flight, and the job that asks the provider for it (which is not there)."""
    db = Database(url, lambda _hints: None, size=1)
    with db.transaction() as tx:
        owner: Any = tx.row(
            "INSERT INTO owners (id, name) VALUES (gen_random_uuid(), 'marks') RETURNING id"
        )
        tx.row(IN_FLIGHT, {"owner_id": owner["id"]})
        jobs.add(tx, Kind.WATCH_TRAININGS, actor="test", unique_key=str(Kind.WATCH_TRAININGS))
    db.close()


def everything_in(url: str) -> str:
    """Every row of every table, as text."""
    found = []
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(
                sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(table))
            )
            found += [row[0] for row in rows]
    return "\n".join(found)
