"""Our own calls to Replicate over httpx: one attempt each, every ending told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from safelight.domain.errors import NotFound, ProviderRefused, Retryable, SafelightError
from safelight.domain.provider import (
    Accepted,
    NotSent,
    Refused,
    RemoteRun,
    RemoteStatus,
    Submission,
    Unknown,
)
from safelight.domain.stored import StoredObject

_CHUNK = 1024 * 1024
TIMEOUT = httpx.Timeout(connect=5.0, read=30.0, write=30.0, pool=10.0)
DOWNLOAD_TIMEOUT = httpx.Timeout(connect=5.0, read=60.0, write=30.0, pool=10.0)


NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
"""No connection was made, so nothing was sent; after any other fault it may have been."""


class Conflicting(ProviderRefused):
    """The provider has such a thing already."""

    code = "conflict"


def told_apart(status: int | None, what: str, detail: str) -> SafelightError:
    """The error for a read or a change that the provider answered with *status*."""
    if status == 404:
        return NotFound(f"The provider does not know {what}.")
    if status is None or status == 429 or status >= 500:
        return Retryable(f"The provider answered {status} for {what}.")
    if status == 401:
        return ProviderRefused(
            "The provider does not accept the API token.", hint="Check REPLICATE_API_TOKEN."
        )
    if status == 409:
        return Conflicting(f"The provider refused {what} (409): {detail}")
    return ProviderRefused(f"The provider refused {what} ({status}): {detail}")


def run_of(body: Any) -> RemoteRun:
    """A run as the API shows it. What is absent, null or of an unknown shape stays None.

    Raises:
        Retryable: the body is no run, or its status is none we know.
    """
    try:
        metrics = body.get("metrics") or {}
        return RemoteRun(
            id=body["id"],
            status=RemoteStatus(body["status"]),
            model=body.get("model"),
            version=body.get("version"),
            input=body.get("input") or {},
            output=body.get("output"),
            logs=body.get("logs"),
            error=None if body.get("error") is None else str(body["error"]),
            created_at=_time(body.get("created_at")),
            started_at=_time(body.get("started_at")),
            completed_at=_time(body.get("completed_at")),
            predict_seconds=metrics.get("predict_time"),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Retryable(f"The provider's answer cannot be read: {error!r}.") from error


def _time(text: str | None) -> datetime | None:
    """ISO 8601 with 3 to 9 digits of a second; Python keeps six."""
    return datetime.fromisoformat(text) if text else None


class Http:
    """One connection pool with our token for the API, another without it for outputs."""

    def __init__(self, token: str, base_url: str, delivery_hosts: tuple[str, ...]) -> None:
        self._base_url = base_url
        self._api_host = urlsplit(base_url).netloc
        self._delivery_hosts = delivery_hosts
        # retries=0 is httpx's default; it is said here because money rests on it.
        self._api = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT,
            transport=httpx.HTTPTransport(retries=0),
            follow_redirects=False,
        )
        self._outputs = httpx.Client(timeout=DOWNLOAD_TIMEOUT, follow_redirects=False)

    def create(self, path: str, body: Mapping[str, Any]) -> Submission:
        """One POST that may cost money. It never raises for what the other side did."""
        try:
            reply = self._api.post(path, json=body)
        except NEVER_LEFT as error:
            return NotSent(f"no connection: {type(error).__name__}: {error}")
        except httpx.HTTPError as error:
            return Unknown(f"sent, and no answer: {type(error).__name__}: {error}")
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
        return self._once("GET", url).json()

    def change(self, method: str, path: str) -> None:
        """A request that costs nothing and can be asked again, once."""
        self._once(method, path)

    def _once(self, method: str, url: str) -> httpx.Response:
        if urlsplit(url).netloc not in ("", self._api_host):
            raise ProviderRefused(f"The provider sent us to another host: {urlsplit(url).netloc}.")
        try:
            reply = self._api.request(method, url)
        except httpx.HTTPError as error:
            raise Retryable(f"The provider cannot be reached: {type(error).__name__}.") from error
        if reply.is_success:
            return reply
        fault = told_apart(reply.status_code, urlsplit(url).path, self._detail(reply))
        if isinstance(fault, Retryable):
            fault.after = self.retry_after(reply)
        raise fault

    def download(self, url: str, path: Path, *, limit: int) -> StoredObject:
        """Stream an output to *path*. Our token goes along only to the API's own host.

        Raises:
            Retryable: it broke off, or is shorter than announced. NotFound: gone or expired.
            ProviderRefused: another host than the provider's, or more than *limit* bytes.
        """
        client = self._client_for(url)
        digest, size = hashlib.sha256(), 0
        try:
            with client.stream("GET", url) as reply, path.open("wb") as file:
                if not reply.is_success:
                    raise told_apart(
                        404 if reply.status_code in (403, 410) else reply.status_code,
                        "this output",
                        f"{reply.status_code}",
                    )
                for chunk in reply.iter_bytes(_CHUNK):
                    size += len(chunk)
                    if size > limit:
                        raise ProviderRefused(f"An output is over the limit of {limit:,} bytes.")
                    file.write(chunk)
                    digest.update(chunk)
                # A body that travels compressed is longer here than announced.
                plain = "content-encoding" not in reply.headers
                announced = int(reply.headers.get("content-length", size)) if plain else size
        except httpx.HTTPError as error:
            raise Retryable(f"A download broke off: {type(error).__name__}.") from error
        if size != announced:
            raise Retryable(f"A download ended at {size:,} of {announced:,} bytes.")
        return StoredObject("", size, digest.hexdigest())

    def _client_for(self, url: str) -> httpx.Client:
        parts = urlsplit(url)
        if parts.netloc == self._api_host:
            return self._api
        host = parts.hostname or ""
        known = any(host == h or host.endswith(f".{h}") for h in self._delivery_hosts)
        if parts.scheme != "https" or not known:
            raise ProviderRefused(
                f"An output lies at {parts.scheme}://{parts.netloc}, which is not the provider's.",
                hint=f"Outputs are fetched from {self._api_host} and {self._delivery_hosts} only.",
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
