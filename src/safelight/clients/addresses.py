"""Addresses as a foreign answer gives them: whose they are, and how an error may name them."""

from __future__ import annotations

from urllib.parse import urlsplit

from safelight.domain.texts import shown

_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int | None]


def origin(url: str) -> Origin | None:
    """Scheme, host and port; None: it has a user in it, or is no address."""
    try:
        parts = urlsplit(url)
        if "@" in parts.netloc:
            return None
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None


def host_of(url: str) -> str:
    """Its host, with the port where that is said; never what stands before an @, or behind the host."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or "no host"
        return shown(f"{host}:{parts.port}" if parts.port else host, most=200)
    except ValueError:
        return "an odd address"
