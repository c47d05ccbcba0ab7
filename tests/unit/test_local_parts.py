"""Ports, state folder, log, signature, places: what needs no server."""

from __future__ import annotations

import fcntl
import io
import json
import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from safelight.domain.queues import Queue
from safelight.local import places, programs
from safelight.local.logs import Log
from safelight.local.ports import HIGH, LOW, Ports, is_free
from safelight.local.process import LocalError
from safelight.local.seaweed import PORTS, REGION, TWIN, choose_ports, sign
from safelight.local.state import Held, State, is_held, read_environment
from safelight.local.supervisor import Backoff


@pytest.mark.enable_socket
def test_ports_are_remembered(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = choose_ports(Ports(file))
    assert set(first) == set(PORTS)
    assert len(set(first.values())) == len(PORTS)
    assert all(LOW <= port < HIGH and port + TWIN < 32_768 for port in first.values())
    assert choose_ports(Ports(file)) == first


@pytest.mark.enable_socket
def test_a_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    port = Ports(file).get("a")
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert not is_free(port)
        assert Ports(file).get("a") != port


@pytest.mark.enable_socket
def test_a_port_whose_grpc_port_is_taken_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = choose_ports(Ports(file))
    with socket.socket() as other:
        other.bind(("127.0.0.1", first["filer"] + TWIN))
        other.listen()
        again = choose_ports(Ports(file))
    assert [name for name in PORTS if again[name] != first[name]] == ["filer"]


@pytest.mark.skipif(os.geteuid() != 0, reason="makes another user's file")
@pytest.mark.enable_socket
def test_a_port_whose_socket_another_user_left_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = choose_ports(Ports(file))
    left = Path(f"/tmp/seaweedfs-s3-grpc-{first['s3'] + TWIN}.sock")
    left.touch()
    try:
        os.chown(left, 65534, 65534)
        assert choose_ports(Ports(file))["s3"] != first["s3"]
        os.chown(left, 0, 0)
        file.write_text(json.dumps({f"seaweed-{name}": port for name, port in first.items()}))
        assert choose_ports(Ports(file)) == first, "our own is only in the way until we remove it"
    finally:
        left.unlink()


@pytest.mark.enable_socket
def test_a_preferred_port_is_taken_when_free_and_nothing_is_remembered(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        wish = free.getsockname()[1]
    assert Ports(tmp_path / "ports.json").get("api", prefer=wish) == wish


def test_secrets_are_made_once_and_are_ours_alone(tmp_path: Path) -> None:
    state = State(tmp_path / "home")
    state.acquire()
    token = state.secret("replicate", prefix="r8_")
    assert token.startswith("r8_")
    assert len(token) == 35
    assert state.secret("postgres") != token
    assert State(tmp_path / "home").secret("replicate") == token
    mode = (tmp_path / "home" / "secrets.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    state.release()


def test_the_environment_is_told_while_the_folder_is_owned_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert read_environment(home) is None
    assert not is_held(home)
    state = State(home)
    state.acquire()
    assert is_held(home)
    assert read_environment(home) is None, "not ready yet"
    state.publish({"DATABASE_URL": "x", "pid": str(os.getpid())})
    assert read_environment(home) == {"DATABASE_URL": "x", "pid": str(os.getpid())}
    assert stat.S_IMODE((home / "environment.json").stat().st_mode) == 0o600
    state.release()
    assert read_environment(home) is None
    assert not is_held(home)


def test_a_file_left_by_a_killed_owner_is_not_believed(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.acquire()
    state.publish({"DATABASE_URL": "x", "pid": str(os.getpid())})
    os.close(state.lock_descriptor)  # as the kernel does at a kill
    assert (tmp_path / "environment.json").exists()
    assert read_environment(tmp_path) is None


def test_a_folder_held_by_the_watchdog_of_a_dead_owner_is_not_joined(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    (tmp_path / "lock").write_text(str(gone.pid))
    (tmp_path / "environment.json").write_text(json.dumps({"pid": str(gone.pid)}))
    with (tmp_path / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert read_environment(tmp_path) is None
        assert not is_held(tmp_path)


def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.acquire()
    with pytest.raises(Held, match=rf"process {os.getpid()}"):
        State(tmp_path).acquire()
    state.release()
    second = State(tmp_path)
    second.acquire()
    second.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's folder")
def test_a_folder_of_another_user_is_refused_with_the_way_out(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(LocalError, match=r"belongs to user 65534.* SAFELIGHT_HOME"):
        State(tmp_path).acquire()


def test_pauses_double_up_to_the_longest() -> None:
    pauses = [Backoff().pause(ends) for ends in range(1, 10)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_names_have_colours_on_a_terminal_only(tmp_path: Path) -> None:
    plain, colored = io.StringIO(), io.StringIO()
    for stream, color in ((plain, False), (colored, True)):
        log = Log(tmp_path, ["api", "postgres"], stream=stream, color=color, quiet=["postgres"])
        log.line("api", "hello")
        log.line("postgres", "noise")
        log.say("postgres", "ready")
        log.close()
    assert plain.getvalue() == "api      | hello\npostgres | ready\n"
    assert colored.getvalue() == (
        "\x1b[36mapi      |\x1b[0m hello\n\x1b[33mpostgres |\x1b[0m \x1b[2mready\x1b[0m\n"
    )
    assert (tmp_path / "postgres.log").read_text() == "noise\n-- ready\n" * 2


def test_a_log_file_is_rotated_at_its_size(tmp_path: Path) -> None:
    log = Log(tmp_path, ["api"], stream=None, rotate_bytes=100)
    for number in range(30):
        log.line("api", f"line {number:04}")  # ten bytes each
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["api.log", "api.log.1"]
    assert (tmp_path / "api.log.1").stat().st_size == 110
    assert (tmp_path / "api.log").read_text().splitlines()[-1] == "line 0029"


@pytest.mark.parametrize("body", [b"", b"said"])
def test_a_request_is_signed_as_botocore_signs_it(body: bytes) -> None:
    headers = sign("PUT", 12345, "/safelight/.safelight-ready", body, "AK", "secret")
    request = AWSRequest(
        "PUT",
        "http://127.0.0.1:12345/safelight/.safelight-ready",
        data=body,
        headers={name: headers[name] for name in ("x-amz-content-sha256", "x-amz-date")},
    )
    auth = S3SigV4Auth(Credentials("AK", "secret"), "s3", REGION)
    request.context["timestamp"] = headers["x-amz-date"]
    request.context["payload_signing_enabled"] = True
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    assert headers["authorization"].endswith(f"Signature={signature}")


def test_sockets_of_a_deep_or_odd_folder_get_a_short_one_that_is_kept(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    odd = tmp_path / "a name, with spaces"
    for parent in (deep, odd):
        parent.mkdir(parents=True)
        folder = places.socket_folder(parent / "run")
        assert folder.parent == Path("/tmp")
        assert folder.stat().st_mode & 0o066 == 0
        assert places.socket_folder(parent / "run") == folder
        folder.rmdir()
        other = places.socket_folder(parent / "run")
        assert other != folder
        other.rmdir()


def test_a_short_folder_that_someone_else_took_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to("/tmp")  # everyone may write there
    folder = places.socket_folder(tmp_path / "run")
    assert folder.stat().st_uid == os.geteuid()
    assert folder != (tmp_path / "run").parent
    if folder != tmp_path / "run":
        folder.rmdir()


def test_a_worker_that_is_left_out_is_not_among_the_services_and_all_others_are() -> None:
    def names(*without: Queue) -> list[str]:
        found = programs.safelight((), {}, 8700, Path("/nowhere"), without=without)
        return [service.name for service in found]

    every = ["migrate", *Queue, "clock", "api"]
    assert names() == every
    left = [name for name in every if name not in ("generate", "poll")]
    assert names(Queue.GENERATE, Queue.POLL, Queue.POLL) == left


@pytest.mark.parametrize("name", [*Queue, "clock"])
def test_a_worker_is_started_by_hand_as_the_procfile_starts_it(name: str) -> None:
    lines = (Path(__file__).parents[2] / "Procfile").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}: "))
    words = list(programs.argv_of(name))[1:]  # the interpreter is the one that runs
    said = line.split()[1:]
    assert words == (said[1:] if name == "clock" else ["-m", *said])
