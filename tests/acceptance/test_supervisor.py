"""The supervisor as a process: what it keeps up, how it stops, and what a kill -9 of it leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest

from safelight.local import places
from safelight.local.state import read_environment
from tests.support.processes import alive, stat, tree, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

ROOT = Path(__file__).parents[2]
STACK = """
import sys
from pathlib import Path
from safelight.local.process import LocalError
from safelight.local.stack import plan
stack = plan(
    Path(sys.argv[1]), {"REPLICATE_API_TOKEN": "r8_not-used"}, base_env={}, only_servers=True
)
try:
    stack.run(lambda environment: print("all ready", flush=True))
except LocalError as error:
    sys.exit(f"{error.code}: {error}")
"""


class Run:
    """A started supervisor and what it says."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.file = folder / f"said-{time.monotonic_ns()}"
        with self.file.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, stdout=out, stderr=out
            )

    @property
    def said(self) -> str:
        return self.file.read_text()

    def has_said(self, pattern: str, times: int = 1) -> bool:
        return len(re.findall(pattern, self.said)) >= times

    def until(self, text: str, timeout: float = 30) -> None:
        def there() -> bool:
            if self.process.poll() is not None and text not in self.said:
                pytest.fail(f"it ended without {text!r}:\n{self.said}")
            return text in self.said

        wait_until(there, timeout, f"{text!r} in:\n{self.said}")

    def tree(self) -> set[int]:
        return tree(self.process.pid)

    def child(self, argument: str) -> int:
        """The direct child with an argument that begins or ends so."""
        for pid in self.tree():
            known = stat(pid)
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            if (
                known
                and known[1] == self.process.pid
                and any(p.startswith(argument) or p.endswith(argument) for p in line)
            ):
                return pid
        raise AssertionError(f"{argument} does not run")

    def end(self, number: signal.Signals, timeout: float = 30) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout)


@contextmanager
def supervised(folder: Path, *names: str) -> Iterator[Run]:
    """A supervisor of small services; whatever the test did, nothing of it is left."""
    run = Run(folder, "-m", "tests.support.supervise", str(folder), *names)
    try:
        run.until("all ready")
        # A process that was started has not forked yet, and is not deaf to SIGTERM yet.
        for name in set(names) - {"celery", "fails"}:
            wait_until(partial(run.has_said, rf"{name} *\| here"), 30, f"a line of {name}")
        yield run
    finally:
        left = run.tree()
        run.process.kill()
        run.process.wait()
        wait_until(lambda: not alive(left), 12, "the end of what was left")


@contextmanager
def stack(home: Path, code: str = STACK) -> Iterator[Run]:
    """The real stores under the real supervisor."""
    run = Run(home.parent, "-c", code, str(home))
    try:
        yield run
    finally:
        left = run.tree()
        run.process.kill()
        run.process.wait()
        wait_until(lambda: not alive(left), 12, "the end of what was left")


@pytest.fixture
def home() -> Iterator[Path]:
    """A state folder that is short and, as root, open for Postgres's user."""
    with tempfile.TemporaryDirectory(prefix="sl-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "home"


def test_a_killed_service_is_started_again_after_growing_pauses(tmp_path: Path) -> None:
    with supervised(tmp_path, "steady") as run:
        for ends in (1, 2, 3):
            os.kill(run.child("import time"), signal.SIGKILL)
            wait_until(partial(run.has_said, r"\| here", ends + 1), 30, "its first line again")
        assert re.findall(r"ended with -9; .* in ([\d.]+) s", run.said) == ["0.2", "0.4", "0.8"]


def test_the_pool_of_a_killed_leader_does_not_live_on_beside_its_successor(tmp_path: Path) -> None:
    with supervised(tmp_path, "pool") as run:
        leader = run.child("\nimport os")
        pool = tree(leader)
        assert len(pool) == 3
        in_group = {pid for pid in pool if os.getpgid(pid) == leader}
        os.kill(leader, signal.SIGKILL)
        wait_until(lambda: not alive(in_group), 20, "the pool's end")


def test_ctrl_c_stops_all_in_reverse_order_and_leaves_nothing(tmp_path: Path) -> None:
    with supervised(tmp_path, "steady", "second", "pool") as run:
        left = run.tree()
        assert len(left) == 7  # three services, three of the pool, the watchdog
        assert run.end(signal.SIGINT) == 0
        assert not alive(left)
    assert "pool   | did not stop in time and is killed" in run.said


def test_a_service_that_others_need_is_stopped_after_them(tmp_path: Path) -> None:
    with supervised(tmp_path, "steady", "stubborn") as run:
        steady = run.child("import time")
        run.process.send_signal(signal.SIGTERM)
        time.sleep(1)  # `stubborn` takes its two seconds
        assert alive([steady])
        assert run.process.wait(30) == 0


def test_a_second_ctrl_c_kills_at_once(tmp_path: Path) -> None:
    with supervised(tmp_path, "stubborn") as run:
        left = run.tree()
        run.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert run.end(signal.SIGINT) == 0
        assert "did not stop in time" not in run.said, "it waited for the stop timeout"
        assert not alive(left)


def test_nothing_survives_a_kill_9_of_the_supervisor(tmp_path: Path) -> None:
    with supervised(tmp_path, "steady", "pool", "stubborn") as run:
        left = run.tree()
        assert len(left) == 7
        run.end(signal.SIGKILL)
        took = wait_until(lambda: not alive(left), 12, "the end of the tree")
    assert took < 10


def test_no_process_of_a_celery_pool_survives_a_kill_9_of_the_supervisor(tmp_path: Path) -> None:
    with supervised(tmp_path, "celery") as run:
        run.until("ready.")
        left = run.tree()
        assert len(tree(run.child("celery"))) == 2
        run.end(signal.SIGKILL)
        took = wait_until(lambda: not alive(left), 12, "the end of the tree")
    assert took < 10


def test_services_die_by_the_kernel_when_supervisor_and_watchdog_are_killed(tmp_path: Path) -> None:
    with supervised(tmp_path, "steady", "stubborn") as run:
        left = run.tree()
        watchdog = run.child("watchdog.py")
        os.kill(run.process.pid, signal.SIGSTOP)  # so that it cannot start another
        os.kill(watchdog, signal.SIGKILL)
        run.end(signal.SIGKILL)
        wait_until(lambda: not alive(left), 20, "the end of the tree")


def test_a_killed_watchdog_is_replaced_and_knows_what_runs(tmp_path: Path) -> None:
    with supervised(tmp_path, "pool") as run:
        first = run.child("watchdog.py")
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: not alive([first]) and len(run.tree()) == 5, 20, "another watchdog")
        time.sleep(0.3)
        left = run.tree()
        run.end(signal.SIGKILL)
        wait_until(lambda: not alive(left), 20, "the end of the tree")


def test_a_service_that_never_comes_up_ends_the_start_with_its_last_words(tmp_path: Path) -> None:
    run = Run(tmp_path, "-m", "tests.support.supervise", str(tmp_path), "steady", "fails")
    try:
        assert run.process.wait(30) == 1, run.said
    finally:
        run.process.kill()
    assert "fails ended with 1 before it was ready" in run.said
    assert "no good" in run.said.split("Its last lines:")[1]


def test_every_line_is_in_the_file_of_its_service(tmp_path: Path) -> None:
    with supervised(tmp_path, "steady", "second") as run:
        run.until("second | here")
        assert run.end(signal.SIGTERM) == 0
    kept = (tmp_path / "logs" / "second.log").read_text().splitlines()
    assert "here" in kept
    assert any(line.startswith("-- ready after") for line in kept)


def test_real_stores_keep_their_data_over_a_kill_9_and_start_warm(home: Path) -> None:
    with stack(home) as run:
        run.until("all ready", 60)
        environment = read_environment(home)
        assert environment is not None
        assert int(environment["pid"]) == run.process.pid
        assert (home / "environment.json").stat().st_mode & 0o777 == 0o600
        with psycopg.connect(environment["DATABASE_URL"]) as connection:
            connection.execute("CREATE TABLE kept (x int)")
            connection.execute("INSERT INTO kept VALUES (1)")
            connection.commit()
            left = run.tree()  # with the session's own process
            run.end(signal.SIGKILL)
        assert read_environment(home) is None
        # At once: the lock, held by the watchdog, makes it wait for the old servers' end.
        start = time.monotonic()
        with stack(home) as again:
            again.until("all ready", 30)
            warm = time.monotonic() - start
            assert not alive(left)
            found = read_environment(home)
            assert found is not None
            same = ("DATABASE_URL", "BROKER_URL", "S3_ENDPOINT_URL", "AWS_SECRET_ACCESS_KEY")
            assert [found[name] for name in same] == [environment[name] for name in same]
            with psycopg.connect(found["DATABASE_URL"]) as connection:
                assert connection.execute("SELECT x FROM kept").fetchall() == [(1,)]
            assert again.end(signal.SIGINT) == 0
            assert not (home / "environment.json").exists()
    assert warm < 15


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has this difficulty")
def test_nothing_survives_a_kill_9_where_root_starts_in_a_private_folder(tmp_path: Path) -> None:
    # pytest's own folder is 0700, as root's home is: Postgres's user cannot come here.
    assert not places.reachable_by_others(tmp_path)
    home = tmp_path / "home"
    try:
        with stack(home) as run:
            run.until("all ready", 60)
            assert (home / "postgres").readlink().parent == places.system_folder()
            left = run.tree()
            run.end(signal.SIGKILL)
            took = wait_until(lambda: not alive(left), 12, "the end of the tree")
        assert took < 10
        with stack(home) as again:
            again.until("all ready", 30)
            assert again.end(signal.SIGTERM) == 0
    finally:
        for name in ("postgres", "run"):
            shutil.rmtree((home / name).readlink())


def test_the_second_supervisor_on_a_folder_is_told_and_changes_nothing(home: Path) -> None:
    with stack(home) as run:
        run.until("all ready", 60)
        before = json.loads((home / "environment.json").read_text())
        second = Run(home.parent, "-c", STACK, str(home))
        assert second.process.wait(30) == 1
        assert f"held: Safelight already runs on {home} (process {run.process.pid})" in second.said
        joined = Run(home.parent, "-c", JOIN, str(home))
        assert joined.process.wait(30) == 0
        assert json.loads(joined.said) == before
        assert read_environment(home) == before
        assert run.end(signal.SIGINT) == 0


ONE_SERVER = """
import sys
from pathlib import Path
from safelight.local.stack import plan
from safelight.local.supervisor import Backoff
given = {
    "DATABASE_URL": "postgresql://nowhere/none",
    "S3_ENDPOINT_URL": "http://nowhere",
    "REPLICATE_API_TOKEN": "r8_not-used",
}
stack = plan(Path(sys.argv[1]), given, base_env={}, only_servers=True, backoff=Backoff(first=0.35))
stack.run(lambda environment: print("pids", stack.pids, flush=True))
"""


def test_a_stack_that_runs_knows_its_processes_and_keeps_to_the_pauses_it_was_given(
    home: Path,
) -> None:
    with stack(home, ONE_SERVER) as run:
        run.until("pids")
        pids = json.loads(re.findall(r"pids (.*)", run.said)[0].replace("'", '"'))
        assert list(pids) == ["valkey"]
        os.kill(pids["valkey"], signal.SIGKILL)
        run.until("starting it again in 0.35 s")
        assert run.end(signal.SIGINT) == 0


JOIN = """
import json, sys
from pathlib import Path
from safelight.local.stack import plan
stack = plan(Path(sys.argv[1]), {"REPLICATE_API_TOKEN": "r8_not-used"}, base_env={})
with stack.running() as environment:
    print(json.dumps(environment))
"""


def test_a_stack_for_the_length_of_a_block_is_gone_after_it(home: Path) -> None:
    code = JOIN.replace("base_env={}", "base_env={}, only_servers=True").replace(
        "print(json.dumps(environment))",
        "import os; from tests.support.processes import tree; print(len(tree(os.getpid())) > 5)",
    )
    run = Run(home.parent, "-c", code + "print(tree(os.getpid()))", str(home))
    assert run.process.wait(60) == 0, run.said
    assert run.said.split() == ["True", "set()"]
