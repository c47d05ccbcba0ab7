"""Who may call at all: this machine's own programs, by a name that a web page cannot make its own."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from safelight.local.emulator.problems import Problem

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def names(host: str, public_url: str | None) -> Callable[[str], bool]:
    """Which hosts a request may name, for a server on *host* that others know as *public_url*.

    A page of any site can have its own name lead to 127.0.0.1; it cannot have it read 'localhost', nor
    an address. On a loopback address only those of loopback count.
    """
    known = {*LOOPBACK, host.lower(), (urlsplit(public_url or "").hostname or "").lower()} - {""}
    anywhere = host not in LOOPBACK

    def may(named: str) -> bool:
        return named in known or (anywhere and _is_address(named))

    return may


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class HostCheck:
    """ASGI middleware: what names another host is answered 403, and nothing of it is looked at."""

    def __init__(self, app: ASGIApp, *, may: Callable[[str], bool]) -> None:
        self._app = app
        self._may = may

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._may(_host_of(scope)):
            await self._app(scope, receive, send)
            return
        refused = Problem(
            403,
            "The emulator answers to this machine's own names only. For another, start it with "
            "--public-url.",
        )
        await refused.response()(scope, receive, send)


def _host_of(scope: Scope) -> str:
    said = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    if len(said) != 1:
        return ""
    try:
        return (urlsplit(f"//{said[0]}").hostname or "").lower()
    except ValueError:
        return ""
