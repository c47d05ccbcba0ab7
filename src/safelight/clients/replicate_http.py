"""Our own calls to Replicate over httpx: one attempt each, every ending told apart, every answer bounded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from safelight.clients.addresses import host_of, origin
from safelight.clients.deadline import PatientTransport, within
from safelight.clients.limits import CREATES, OTHERS, Limits, Throttled
from safelight.clients.replicate_answers import parse, run_of
from safelight.clients.replicate_faults import (
    NEVER_LEFT,
    THROTTLED,
    WronglySet,
    address_fault,
    no_answer_of_it,
    redirected,
    said,
    token_fault,
    told_apart,
    unreached,
)
from safelight.clients.replicate_outputs import (
    PACKED,
    PLAIN,
    download,
    is_fetched_from,
    lies_elsewhere,
)
from safelight.domain.errors import (
    ProviderRefused,
    Retryable,
    SafelightError,
    TokenRefused,
    Unreadable,
)
from safelight.domain.provider import Accepted, NotSent, Refused, Submission, Unknown
from safelight.domain.stored import StoredObject
from safelight.domain.texts import keepable_json, shown

PREDICTIONS = "/v1/predictions"
CONNECT_SECONDS = 5.0
POOL_SECONDS = 10.0
WHOLE = 4
"""An answer has so many times the allowed silence to be there as a whole."""
MOST_BYTES = 64 * 1024 * 1024
"""What is read of an answer, unpacked: a page of a hundred has some 0.3 MB, a run with its log up to 2."""
MOST_ERROR_BYTES = 64 * 1024
LONGEST_WAIT = 3600.0
"""How long a Retry-After may hold us up; the provider's limits are by the minute (replicate.md 2.7)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: its body is within bounds, and of a refusal only its start."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def good(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300

    @property
    def problem(self) -> Mapping[str, Any] | None:
        """A refusal in the provider's own form (problem+json); None: somebody else's, or none."""
        with suppress(Unreadable):
            body = parse(self.body)
            return body if isinstance(body, dict) else None
        return None

    @property
    def detail(self) -> str:
        """What the provider says is wrong, or what came in its place."""
        if problem := self.problem:
            why = problem.get("detail") or problem.get("title") or "it does not say why"
            return said(why if isinstance(why, str) else str(keepable_json(why)))
        kind = self.headers.get("content-type", "").partition(";")[0].strip()
        if kind == "text/html":
            return "a web page, which is not the provider's own answer"
        return said(self.body[:200].decode("utf-8", "replace")) or "an empty answer"

    @property
    def retry_after(self) -> float | None:
        """Seconds the provider asks us to wait: the header, else the body's `retry_after`."""
        for asked in (self.headers.get("retry-after"), (self.problem or {}).get("retry_after")):
            with suppress(TypeError, ValueError):
                if math.isfinite(seconds := float(asked)):  # type: ignore[arg-type]
                    return min(max(0.0, seconds), LONGEST_WAIT)
        return None


def _no_cookies() -> CookieJar:
    """A jar that takes none: whoever answers must not make our next requests longer."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


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
        """*timeout*: seconds between two bytes. *transport*: what tests put in the network's place.

        A token or an address that cannot be used is no error here: each request says what is odd."""
        self._limits = limits
        # The official client's 2.x line has the same variable end in /v1.
        self._base = base_url.rstrip("/").removesuffix("/v1")
        self._wrong: SafelightError | None = token_fault(token) or address_fault(self._base)
        self._token_hint = None if token.startswith("r8_") else "It does not begin with r8_."
        self._api_origin, self._host = origin(self._base), host_of(self._base)
        self._delivery_hosts = delivery_hosts
        self._seconds = WHOLE * timeout
        waits = httpx.Timeout(timeout, connect=CONNECT_SECONDS, pool=POOL_SECONDS)
        # Gzip alone, and once: its unpacking can be bounded.
        headers = {"Accept-Encoding": "gzip"}
        if self._wrong is None:
            headers["Authorization"] = f"Bearer {token}"
        self._api = httpx.Client(
            headers=headers,
            timeout=waits,
            transport=transport or PatientTransport(),
            follow_redirects=False,
            cookies=_no_cookies(),
        )
        self._outputs = httpx.Client(
            timeout=waits,
            transport=transport or PatientTransport(),
            follow_redirects=False,
            cookies=_no_cookies(),
        )

    def create(self, path: str, body: Mapping[str, Any]) -> Submission:
        """One POST that may cost money. It never raises for what the other side did."""
        kind = CREATES if path == PREDICTIONS else OTHERS
        try:
            request = self._request("POST", path, body)
            self._limits.take(kind)
        except Throttled as full:
            return Refused(THROTTLED, full.message, full.after)
        except (TokenRefused, WronglySet) as wrong:
            return NotSent(str(wrong))
        except (TypeError, ValueError) as error:
            return NotSent(f"it cannot be written out: {type(error).__name__}: {error}")
        try:
            answer = self._ask(request, self._seconds)
        except NEVER_LEFT as error:
            return NotSent(f"no connection: {unreached(error, self._host)}")
        except httpx.HTTPError as error:
            return Unknown(f"sent, and no answer: {unreached(error, self._host)}")
        except Unreadable as error:
            return Unknown(f"sent, and answered with what cannot be read: {error}")
        if answer.status == THROTTLED:
            self._limits.refused(kind, answer.retry_after)
        if 400 <= answer.status < 500:
            return Refused(answer.status, answer.detail, answer.retry_after)
        if not answer.good:
            return Unknown(f"answered {answer.status}: {self._fault(answer, path)}")
        try:
            return Accepted(run_of(parse(answer.body)))
        except Unreadable as error:
            return Unknown(f"answered {answer.status} with a body that cannot be read: {error}")

    def read(self, url: str, *, seconds: float | None = None) -> Any:
        """GET, once, within *seconds*. Retryable, NotFound or ProviderRefused, as the answer has it."""
        answer = self._once("GET", url, seconds=seconds)
        try:
            return parse(answer.body)
        except Unreadable:
            kind = answer.headers.get("content-type", "")
            raise no_answer_of_it(answer.status, self._host, kind) from None

    def change(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        """A request that costs nothing and can be asked again, once."""
        self._once(method, path, body)

    def _once(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None = None,
        *,
        seconds: float | None = None,
    ) -> Answer:
        if not url.startswith("/v1/") and origin(url) != self._api_origin:
            raise ProviderRefused(f"The provider sent us to another host: {host_of(url)}.")
        try:
            request = self._request(method, url, body)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ProviderRefused("The provider sent us to what is no address.") from error
        self._limits.take(OTHERS)
        try:
            answer = self._ask(request, seconds or self._seconds)
        except httpx.HTTPError as error:
            raise unreached(error, self._host) from error
        if answer.good:
            return answer
        if answer.status == THROTTLED:
            self._limits.refused(OTHERS, answer.retry_after)
        raise self._fault(answer, urlsplit(url).path)

    def _fault(self, answer: Answer, what: str) -> SafelightError:
        """What an answer that is no 2xx is. Only what the provider itself says of a run or a version is
        evidence: a 404 of something in between says nothing."""
        if 300 <= answer.status < 400:
            return redirected(answer.status, self._host, answer.headers.get("location"))
        if 400 <= answer.status < 500 and answer.status != THROTTLED and answer.problem is None:
            return no_answer_of_it(
                answer.status, self._host, answer.headers.get("content-type", "")
            )
        fault = told_apart(answer.status, what, answer.detail, hint=self._token_hint)
        if isinstance(fault, Retryable):
            fault.after = answer.retry_after
        return fault

    def _request(self, method: str, url: str, body: Mapping[str, Any] | None) -> httpx.Request:
        if self._wrong is not None:
            raise self._wrong.with_traceback(None)
        full = self._base + url if url.startswith("/") else url
        return self._api.build_request(method, full, json=body)

    def _ask(self, request: httpx.Request, seconds: float) -> Answer:
        """Send it. Raises httpx.HTTPError where no answer came, Unreadable where its body is none."""
        with within(seconds):
            reply = self._api.send(request, stream=True)
            try:
                return Answer(reply.status_code, reply.headers, self._body(reply))
            finally:
                reply.close()

    def _body(self, reply: httpx.Response) -> bytes:
        parts, size = [], 0
        try:
            coding = reply.headers.get("content-encoding", "").strip().lower()
            if coding not in (*PLAIN, *PACKED):
                raise Unreadable(f"The provider answered in {shown(coding, most=60)}, not in gzip.")
            for chunk in reply.iter_bytes():
                size += len(chunk)
                parts.append(chunk)
                if not reply.is_success and size >= MOST_ERROR_BYTES:
                    break
                if size > MOST_BYTES:
                    raise Unreadable(
                        f"The provider's answer is over the limit of {MOST_BYTES:,} bytes."
                    )
        except httpx.DecodingError as error:
            raise Unreadable("The provider's answer is not the gzip that it says it is.") from error
        except httpx.HTTPError as error:
            why = unreached(error, self._host)
            raise Unreadable(f"The provider's answer broke off at {size:,} bytes. {why}") from error
        return b"".join(parts)

    def download(self, url: str, path: Path, *, limit: int) -> StoredObject:
        """As `replicate_outputs.download`. Our token goes along only to the API's own host."""
        if self._wrong is None and origin(url) == self._api_origin:
            return download(self._api, url, path, limit=limit)
        if not is_fetched_from(url, self._delivery_hosts):
            raise lies_elsewhere(url, self._delivery_hosts)
        return download(self._outputs, url, path, limit=limit)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._outputs.close()
