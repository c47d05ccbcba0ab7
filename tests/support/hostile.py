"""A server that answers as no faithful one would: bytes as a test wants them, and as slowly.

The emulator plays the provider; this plays what may stand in its place or speak in its name.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Answer = Callable[[socket.socket, str], None]
"""Writes the answer to the request whose head is given."""


TLS_HELLO = b"\x16"


@dataclass
class Hostile:
    """`heads`: the requests that came, each its head. `answer`: what the next ones get."""

    url: str
    answer: Answer
    heads: list[str] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [head.split(" ")[1] for head in self.heads]


def reply(
    status: int = 200,
    body: bytes | str | Any = b"",
    *,
    type: str = "application/json",
    packed: str | None = None,
    **headers: str,
) -> Answer:
    """A whole answer; what is no bytes and no text goes as JSON. *packed*: its Content-Encoding."""
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else None
    data = json.dumps(body).encode() if data is None else data
    lines = [f"HTTP/1.1 {status} Said", f"Content-Type: {type}", f"Content-Length: {len(data)}"]
    lines += [f"Content-Encoding: {packed}"] if packed else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "Connection: close", "", ""]).encode()
    return raw(head + data)


def raw(data: bytes) -> Answer:
    """These bytes, then the end."""
    return lambda connection, _head: connection.sendall(data)


def trickle(data: bytes, *, first: bytes = b"", seconds: float = 0.1) -> Answer:
    """*first* at once, then a byte of *data* every so many *seconds*, for as long as anybody listens."""

    def go(connection: socket.socket, _head: str) -> None:
        connection.sendall(first)
        for byte in data:
            time.sleep(seconds)
            connection.sendall(bytes([byte]))

    return go


def silence(seconds: float) -> Answer:
    """Nothing, for so long."""
    return lambda _connection, _head: time.sleep(seconds)


def pour(chunk: bytes, count: int, *, head: bytes) -> Answer:
    """*head*, then *chunk* again and again: a body without a length."""

    def go(connection: socket.socket, _head: str) -> None:
        connection.sendall(head)
        for _ in range(count):
            connection.sendall(chunk)

    return go


@cache
def bomb(megabytes: int = 300) -> bytes:
    """Gzip that unpacks to so many megabytes of nothing."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    parts = [packer.compress(bytes(1024 * 1024)) for _ in range(megabytes)]
    return b"".join([*parts, packer.flush()])


@contextlib.contextmanager
def hostile(answer: Answer, *, tls: Path | None = None) -> Iterator[Hostile]:
    """Serve on a loopback port. *tls*: a folder for a certificate that nobody has signed."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    scheme = "https" if tls else "http"
    found = Hostile(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", answer)
    context = _unsigned(tls) if tls else None
    stop = threading.Event()

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.closing(connection):
            connection.settimeout(10)
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            head = _head(connection)
            if head:
                if not head.startswith(TLS_HELLO.decode()):
                    found.heads.append(head)
                found.answer(connection, head)
            connection.close()

    def accept() -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()
        listener.close()


def _head(connection: socket.socket) -> str:
    """The request's head; its body is read too, as far as it is announced."""
    data = b""
    while b"\r\n\r\n" not in data and not data.startswith(TLS_HELLO):
        part = connection.recv(65536)
        if not part:
            return ""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    text = head.decode("latin-1")
    length = next((int(v) for k, v in _headers(text) if k == "content-length"), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return text


def _headers(head: str) -> Iterator[tuple[str, str]]:
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        yield name.lower(), value.strip()


def _unsigned(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
