"""Our own calls to Replicate over httpx: one attempt each, every ending told apart."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from safelight import scratch
from safelight.clients.limits import CREATES, OTHERS, Limits, Throttled
from safelight.clients.replicate_faults import told_apart
from safelight.domain.errors import ProviderRefused, Retryable, Unavailable
from safelight.domain.provider import (
    Accepted,
    NotSent,
    Refused,
    RemoteRun,
    RemoteStatus,
    RunPage,
    Submission,
    Unknown,
)
from safelight.domain.stored import StoredObject

PREDICTIONS = "/v1/predictions"
CONNECT_SECONDS = 5.0
POOL_SECONDS = 10.0
DOWNLOAD_SECONDS = 3600.0
"""For one output, however steadily it drips: 4 GiB at 1.2 MB/s."""
NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
"""No connection was made, so nothing was sent; after any other fault it may have been."""


def run_of(body: Any) -> RemoteRun:
    """A run as the API shows it. What is absent, null or of an unexpected shape stays None.

    Raises:
        Retryable: the body is no run, or its status is none we know.
    """
    try:
        id, status = body["id"], RemoteStatus(body["status"])
        if not isinstance(id, str) or not id:
            raise ValueError(f"id is {id!r}")
    except (KeyError, TypeError, ValueError) as error:
        raise Retryable(f"The provider's answer cannot be read: {error!r}.") from error
    return RemoteRun(
        id=id,
        status=status,
        model=_text(body.get("model")),
        version=_text(body.get("version")),
        input=_mapping(body.get("input")),
        output=body.get("output"),
        logs=_text(body.get("logs")),
        error=None if body.get("error") is None else str(body["error"]),
        created_at=_time(body.get("created_at")),
        started_at=_time(body.get("started_at")),
        completed_at=_time(body.get("completed_at")),
        predict_seconds=_seconds(_mapping(body.get("metrics")).get("predict_time")),
    )


def page_of(body: Any) -> RunPage:
    """A page of runs. A run that cannot be read is counted: one odd status hides no other run.

    Raises:
        Retryable: the body is no page.
    """
    results = body.get("results") if isinstance(body, dict) else None
    if not isinstance(results, list):
        raise Retryable("The provider's answer cannot be read: it is no page of a list.")
    runs = []
    for item in results:
        with suppress(Retryable):
            runs.append(run_of(item))
    return RunPage(tuple(runs), _text(body.get("next")), len(results) - len(runs))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _seconds(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) else None


def _time(value: Any) -> datetime | None:
    """ISO 8601 with 3 to 9 digits of a second (Python keeps six); without a zone it is UTC."""
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _origin(url: str) -> str:
    """Scheme, host and port: our token goes where all three are the API's, and nowhere else."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _announced(reply: httpx.Response) -> int | None:
    """How many bytes are to come; None: not said, or it travels compressed after all."""
    said = reply.headers.get("content-length", "")
    plain = said.isascii() and said.isdigit() and len(said) <= 18
    return int(said) if plain and "content-encoding" not in reply.headers else None


def _too_large(limit: int) -> ProviderRefused:
    return ProviderRefused(f"An output is over the limit of {limit:,} bytes.")


class Http:
    """One connection pool with our token for the API, another without it for outputs."""

    def __init__(
        self,
        token: str,
        base_url: str,
        delivery_hosts: tuple[str, ...],
        *,
        limits: Limits,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """*timeout*: seconds between two bytes. *transport*: what tests put in the network's place."""
        self._limits = limits
        self._api_origin = _origin(base_url)
        self._delivery_hosts = delivery_hosts
        waits = httpx.Timeout(timeout, connect=CONNECT_SECONDS, pool=POOL_SECONDS)
        # retries=0 is httpx's default; it is said here because money rests on it.
        self._api = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=waits,
            transport=transport or httpx.HTTPTransport(retries=0),
            follow_redirects=False,
        )
        self._outputs = httpx.Client(
            timeout=waits,
            transport=transport or httpx.HTTPTransport(retries=0),
            follow_redirects=False,
        )

    def create(self, path: str, body: Mapping[str, Any]) -> Submission:
        """One POST that may cost money. It never raises for what the other side did."""
        kind = CREATES if path == PREDICTIONS else OTHERS
        try:
            self._limits.take(kind)
            reply = self._api.post(path, json=body)
        except Throttled as full:
            return Refused(429, full.message, full.after)
        except NEVER_LEFT as error:
            return NotSent(f"no connection: {type(error).__name__}: {error}")
        except httpx.HTTPError as error:
            return Unknown(f"sent, and no answer: {type(error).__name__}: {error}")
        if reply.status_code == 429:
            self._limits.refused(kind, self.retry_after(reply))
        if 400 <= reply.status_code < 500:
            return Refused(reply.status_code, self._detail(reply), self.retry_after(reply))
        if not reply.is_success:
            return Unknown(f"answered {reply.status_code}: {self._detail(reply)}")
        try:
            return Accepted(run_of(reply.json()))
        except (ValueError, Retryable) as error:
            return Unknown(f"answered {reply.status_code} with a body that cannot be read: {error}")

    def read(self, url: str) -> Any:
        """GET, once. Retryable, NotFound or ProviderRefused, as the answer has it."""
        reply = self._once("GET", url)
        try:
            return reply.json()
        except ValueError as error:
            raise Retryable("The provider's answer cannot be read: it is no JSON.") from error

    def change(self, method: str, path: str) -> None:
        """A request that costs nothing and can be asked again, once."""
        self._once(method, path)

    def _once(self, method: str, url: str) -> httpx.Response:
        if not url.startswith("/v1/") and _origin(url) != self._api_origin:
            raise ProviderRefused(f"The provider sent us to another host: {_origin(url)}.")
        self._limits.take(OTHERS)
        try:
            reply = self._api.request(method, url)
        except httpx.HTTPError as error:
            raise Unavailable(f"The provider cannot be reached: {type(error).__name__}.") from error
        if reply.is_success:
            return reply
        fault = told_apart(reply.status_code, urlsplit(url).path, self._detail(reply))
        if reply.status_code == 429:
            self._limits.refused(OTHERS, self.retry_after(reply))
        if isinstance(fault, Retryable):
            fault.after = self.retry_after(reply)
        raise fault

    def download(self, url: str, path: Path, *, limit: int) -> StoredObject:
        """Stream an output to *path*. Our token goes along only to the API's own host.

        Raises:
            Retryable: it broke off, is shorter than announced, or has no end; OwnDisk: no room for it
            here. NotFound: gone or expired.
            ProviderRefused: another host than the provider's, or more than *limit* bytes.
        """
        client = self._client_for(url)
        digest, size = hashlib.sha256(), 0
        ends = time.monotonic() + DOWNLOAD_SECONDS
        try:
            # As it lies there, so that what is announced is what comes.
            plainly = {"Accept-Encoding": "identity"}
            with client.stream("GET", url, headers=plainly) as reply:
                if not reply.is_success:
                    raise told_apart(
                        404 if reply.status_code in (403, 410) else reply.status_code,
                        "this output",
                        f"{reply.status_code}",
                    )
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
                        if time.monotonic() > ends:
                            raise Retryable(
                                f"A download was given up at {size:,} bytes after "
                                f"{DOWNLOAD_SECONDS / 60:.0f} minutes."
                            )
        except httpx.HTTPError as error:
            raise Retryable(f"A download broke off: {type(error).__name__}.") from error
        if announced is not None and size != announced:
            raise Retryable(f"A download ended at {size:,} of {announced:,} bytes.")
        return StoredObject("", size, digest.hexdigest())

    def _client_for(self, url: str) -> httpx.Client:
        if _origin(url) == self._api_origin:
            return self._api
        parts = urlsplit(url)
        host = parts.hostname or ""
        known = any(host == h or host.endswith(f".{h}") for h in self._delivery_hosts)
        if parts.scheme != "https" or not known:
            raise ProviderRefused(
                f"An output lies at {parts.scheme}://{parts.netloc}, which is not the provider's.",
                hint=f"Outputs are fetched from {self._api_origin} and "
                f"{', '.join(self._delivery_hosts)} only.",
            )
        return self._outputs

    @staticmethod
    def retry_after(reply: httpx.Response) -> float | None:
        """Seconds the provider asks us to wait: the header, else the body's `retry_after`."""
        try:
            return max(0.0, float(reply.headers["retry-after"]))
        except (KeyError, ValueError):
            pass
        try:
            return max(0.0, float(reply.json()["retry_after"]))
        except (KeyError, TypeError, ValueError, httpx.HTTPError):
            return None

    @staticmethod
    def _detail(reply: httpx.Response) -> str:
        """What the provider says is wrong: problem+json's detail, or the start of whatever came."""
        try:
            body = reply.json()
            if isinstance(body, dict) and (said := body.get("detail") or body.get("title")):
                return str(said).strip()[:2000]
        except ValueError:
            pass
        return reply.text.strip()[:200] or reply.reason_phrase

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._outputs.close()
