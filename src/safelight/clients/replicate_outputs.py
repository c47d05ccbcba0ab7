"""What a run has made is fetched: streamed, hashed, bounded, and without our token."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx

from safelight import scratch
from safelight.clients.addresses import host_of, origin
from safelight.clients.deadline import within
from safelight.clients.replicate_faults import NEVER_LEFT, redirected, told_apart, unreached
from safelight.domain.errors import ProviderRefused, Retryable
from safelight.domain.stored import StoredObject
from safelight.domain.texts import shown

DOWNLOAD_SECONDS = 3600.0
"""Weights of 4 GiB at ten megabits a second."""
PLAIN = ("", "identity")
PACKED = ("gzip", "x-gzip")
"""Packed once, its unpacking is bounded; twice, sixty-four kilobytes may be as many gigabytes."""


def download(client: httpx.Client, url: str, path: Path, *, limit: int) -> StoredObject:
    """Stream *url* to *path*. Size and sha256 are those of what was received.

    Raises:
        Retryable: it broke off, is shorter than announced, or takes longer than DOWNLOAD_SECONDS.
        OwnDisk: no room for it here. NotFound: gone or expired.
        ProviderRefused: it lies elsewhere, or has more than *limit* bytes.
    """
    digest, size = hashlib.sha256(), 0
    try:
        # As it lies there, so that what is announced is what comes.
        plainly = {"Accept-Encoding": "identity"}
        with within(DOWNLOAD_SECONDS), client.stream("GET", url, headers=plainly) as reply:
            _see_that_it_comes(reply, url)
            announced = _announced(reply)
            if announced is not None and announced > limit:
                raise _too_large(limit)
            with scratch.sink(path, announced) as file:
                # In pieces as they come: to wait for a full one is to wait for a drip.
                for chunk in reply.iter_bytes():
                    size += len(chunk)
                    if size > limit:
                        raise _too_large(limit)
                    file.write(chunk)
                    digest.update(chunk)
    except NEVER_LEFT as error:
        raise unreached(error, host_of(url)) from error
    except httpx.HTTPError as error:
        why = unreached(error, host_of(url))
        raise Retryable(f"A download broke off at {size:,} bytes. {why}") from error
    except httpx.InvalidURL as error:
        raise ProviderRefused("An output lies at what is no address.") from error
    if announced is not None and size != announced:
        raise Retryable(f"A download ended at {size:,} of {announced:,} bytes.")
    return StoredObject("", size, digest.hexdigest())


def is_fetched_from(url: str, hosts: tuple[str, ...]) -> bool:
    """Whether *url* is an https one of these hosts, or of one below them."""
    scheme, host, _ = origin(url) or ("", "", None)
    return scheme == "https" and any(host == h or host.endswith(f".{h}") for h in hosts)


def lies_elsewhere(url: str, hosts: tuple[str, ...]) -> ProviderRefused:
    """An output that is not fetched, for where it lies."""
    return ProviderRefused(
        f"An output lies at {host_of(url)}, which is not the provider's.",
        hint=f"Outputs are fetched by https from {', '.join(hosts)}, and from the API's own address.",
    )


def _see_that_it_comes(reply: httpx.Response, url: str) -> None:
    if 300 <= reply.status_code < 400:
        raise redirected(reply.status_code, host_of(url), reply.headers.get("location"))
    if not reply.is_success:
        status = 404 if reply.status_code in (403, 410) else reply.status_code
        raise told_apart(status, "this output", f"{reply.status_code}")
    coding = reply.headers.get("content-encoding", "").strip().lower()
    if coding not in (*PLAIN, *PACKED):
        raise ProviderRefused(
            f"An output comes in an encoding that is not read: {shown(coding, most=60)}."
        )


def _announced(reply: httpx.Response) -> int | None:
    """How many bytes are to come; None: not said, or it travels compressed after all."""
    length = reply.headers.get("content-length", "")
    known = length.isdecimal() and len(length) < 19 and "content-encoding" not in reply.headers
    return int(length) if known else None


def _too_large(limit: int) -> ProviderRefused:
    return ProviderRefused(f"An output is over the limit of {limit:,} bytes.")
