"""A transport whose answers are all there, or given up, by a time.

httpx's timeouts bound the silence between two bytes: a server that sends one byte every twenty
seconds, in its headers or in its body, keeps its caller for days.
"""

from __future__ import annotations

import math
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpcore
import httpx

CONNECTIONS, KEPT, KEPT_SECONDS = 100, 20, 5.0
"""As httpx's own pool has them."""


class _Until(threading.local):
    at: float = math.inf


_until = _Until()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is asked over a `PatientTransport` in this thread while the block runs is over by then: a
    read or a write that would go on past it is a timeout."""
    before, _until.at = _until.at, min(_until.at, time.monotonic() + seconds)
    try:
        yield
    finally:
        _until.at = before


def _left(timeout: float | None) -> float | None:
    if _until.at == math.inf:
        return timeout
    left = max(0.001, _until.at - time.monotonic())
    return left if timeout is None else min(timeout, left)


@cache
def _ssl_context() -> ssl.SSLContext:
    """One a process: reading the authorities takes longer than most requests."""
    return httpx.create_ssl_context()


class PatientTransport(httpx.HTTPTransport):
    """httpx's own transport over streams that know of `within`. It tries nothing twice."""

    def __init__(self) -> None:
        super().__init__(verify=_ssl_context(), retries=0)
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=_ssl_context(),
            max_connections=CONNECTIONS,
            max_keepalive_connections=KEPT,
            keepalive_expiry=KEPT_SECONDS,
            retries=0,
            network_backend=_Backend(),
        )


class _Backend(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(
            self._inner.connect_tcp(host, port, _left(timeout), local_address, socket_options)
        )


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if time.monotonic() > _until.at:
            raise httpcore.ReadTimeout("the answer is not whole in time")
        return self._inner.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
