"""Who connects and does not say what he wants keeps nobody else waiting."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn

from safelight.web import requests
from safelight.web.app import create_app
from safelight.web.patience import PatientProtocol
from tests.unit.test_api_document import SETTINGS


class Hasty(PatientProtocol):
    """The same, with less patience than anybody would have."""

    head_seconds = 0.5
    rest_seconds = 0.5
    most_waiting = 20
    waiting = type(PatientProtocol.waiting)()


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """The API over the network, without stores: what is asked here gets to none."""
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.5)
    app = create_app(None, SETTINGS)
    config = uvicorn.Config(app, port=0, http=Hasty, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()
    server.should_exit = True
    thread.join()


@contextmanager
def connected(address: tuple[str, int], sent: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=5) as found:
        found.sendall(sent)
        yield found


def closed(found: socket.socket, seconds: float = 5) -> bool:
    """Whether the other side ends the connection within *seconds*, without a byte."""
    found.settimeout(seconds)
    try:
        return found.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def answer_on(found: socket.socket) -> bytes:
    """One whole answer."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += found.recv(1)
    length = re.search(rb"content-length: (\d+)", answer)
    assert length
    body = b""
    while len(body) < int(length[1]):
        body += found.recv(int(length[1]) - len(body))
    return answer + body


HALF = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: "
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("sent", [HALF, b"", b"G"])
def test_a_head_that_is_never_whole_is_not_waited_for(
    address: tuple[str, int], sent: bytes
) -> None:
    with connected(address, sent) as found:
        assert closed(found)


def test_the_next_head_on_the_same_connection_is_not_waited_for_either(
    address: tuple[str, int],
) -> None:
    with connected(address, WHOLE + HALF) as found:
        found.settimeout(5)
        answer = b""
        while chunk := found.recv(1000):
            answer += chunk
        assert answer.startswith(b"HTTP/1.1 200")
    with connected(address, WHOLE) as found:
        assert found.recv(1000).startswith(b"HTTP/1.1 200")
        found.sendall(HALF)
        rest = b""
        while chunk := _recv(found):
            rest += chunk
        assert b"HTTP/1.1" not in rest


def _recv(found: socket.socket) -> bytes:
    try:
        return found.recv(1000)
    except ConnectionResetError:
        return b""


def test_a_crowd_of_half_heads_keeps_nobody_out(address: tuple[str, int]) -> None:
    """The oldest of them go, so that who asks in one piece is answered at once."""
    crowd = [socket.create_connection(address, timeout=5) for _ in range(100)]
    try:
        for one in crowd:
            one.sendall(HALF)
        answer = httpx.get(f"http://{address[0]}:{address[1]}/healthz", timeout=20)
        assert answer.status_code == 200
    finally:
        for one in crowd:
            one.close()


def post(length: str, body: bytes) -> bytes:
    return (
        b"POST /v1/subjects HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        + length.encode()
        + b"\r\n\r\n"
        + body
    )


@pytest.mark.parametrize(
    ("length", "body", "status"),
    [
        ("Content-Length: 500", b'{"name":', 408),
        ("Transfer-Encoding: chunked", b"3\r\n{  \r\n", 408),
        ("Content-Length: 3000000", b"x" * 1_100_000, 413),
    ],
)
def test_a_body_that_does_not_come_or_does_not_end_gets_its_answer_and_the_connection_ends(
    address: tuple[str, int], length: str, body: bytes, status: int
) -> None:
    with connected(address, post(length, body)) as found:
        found.settimeout(5)
        answer = b""
        while chunk := _recv(found):
            answer += chunk
        assert answer.startswith(b"HTTP/1.1 %d" % status), answer[:200]
        assert b"urn:safelight:problem:" in answer


def test_who_sends_on_after_the_answer_is_cut_off(address: tuple[str, int]) -> None:
    with connected(address, post("Transfer-Encoding: chunked", b"")) as found:
        found.settimeout(5)
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            for _ in range(1000):
                found.sendall(piece)


def test_what_is_left_of_a_small_body_costs_nobody_the_connection(
    address: tuple[str, int],
) -> None:
    """A 405 is said before the body is read; the next request goes over the same connection."""
    with connected(
        address, b"PUT /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab"
    ) as found:
        time.sleep(0.05)
        found.sendall(b"cd")
        first = answer_on(found)
        assert first.startswith(b"HTTP/1.1 405")
        assert b"connection: close" not in first.lower()
        found.sendall(WHOLE)
        assert answer_on(found).startswith(b"HTTP/1.1 200")


def test_who_waits_to_be_told_to_send_is_told_at_once_that_he_need_not(
    address: tuple[str, int],
) -> None:
    head = b"PUT /healthz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    with connected(address, head) as found:
        assert answer_on(found).startswith(b"HTTP/1.1 405")
