"""Replicate: what we ask of it, and how its answers are told apart.

The official client (1.0.7) is used where it is sound: account, models, the webhook secret. Where it
would retry, hang or hide, the call is our own over httpx (see `replicate_http`): a paid create is
one POST, a read tells a missing run from a passing fault, an output is fetched without our token.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
from replicate.client import Client
from replicate.exceptions import ReplicateError
from replicate.webhook import InvalidTimestampError, Webhooks, WebhookSigningSecret
from replicate.webhook import WebhookValidationError as _Invalid

from safelight.clients.limits import OTHERS, Limits, LocalLimits
from safelight.clients.replicate_faults import told_apart
from safelight.clients.replicate_http import (
    CONNECT_SECONDS,
    Http,
    page_of,
    run_of,
)
from safelight.domain.errors import Forbidden, NotFound, ProviderRefused, Retryable
from safelight.domain.provider import RemoteRun, RunPage, Submission, VersionPage
from safelight.domain.stored import StoredObject

T = TypeVar("T")
HARDWARE = "gpu-t4"
"""A model has to name one; the provider overrides it for FLUX fine-tunes (replicate.md 2.5)."""
WEBHOOK_TOLERANCE_SECONDS = 300


class ReplicateProvider:
    """The provider over its HTTP API. Make one a process, after fork; threads may share it."""

    def __init__(
        self,
        token: str,
        base_url: str = "https://api.replicate.com",
        delivery_hosts: tuple[str, ...] = ("replicate.delivery",),
        *,
        timeout: float = 30.0,
        limits: Limits | None = None,
    ) -> None:
        """*timeout*: seconds that the provider may be silent before we give up on an answer.
        *limits*: asked before each request (default: a bucket of this process alone)."""
        self._limits = limits or LocalLimits()
        self._http = Http(
            token, base_url.rstrip("/"), delivery_hosts, timeout=timeout, limits=self._limits
        )
        # Its own transport sleeps as long as Retry-After says, uncapped; ours beneath it turns a
        # throttled or failing answer into an error before it gets there.
        self._transport = _NoSleep(httpx.HTTPTransport())
        self._official = Client(
            api_token=token,
            base_url=base_url.rstrip("/"),
            timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS),
            transport=self._transport,
        )
        self._account: str | None = None
        self._secret: str | None = None
        self._lock = threading.Lock()

    # The official client.

    def account(self) -> str:
        """The account (owner name) the token belongs to; asked for once."""
        with self._lock:
            if self._account is None:
                self._account = str(
                    self._asked("the account", lambda: self._official.accounts.current().username)
                )
            return self._account

    def latest_version(self, model: str) -> str:
        """The id (64 hex) of the newest version of ``owner/name``. NotFound if it has none."""
        found = self._asked(model, lambda: self._official.models.get(model))
        if found.latest_version is None:
            raise NotFound(f"The model {model} has no version at the provider.")
        return str(found.latest_version.id)

    def version_schema(self, model: str, version: str) -> Mapping[str, Any]:
        """The ``openapi_schema`` of a version; empty where the provider shows none."""
        shown = self._http.read(f"/v1/models/{model}/versions/{version}").get("openapi_schema")
        return shown if isinstance(shown, Mapping) else {}

    def ensure_model(self, model: str) -> None:
        """Make the private destination model ``owner/name`` unless it is there."""
        try:
            self._asked(model, lambda: self._official.models.get(model))
        except NotFound:
            owner, _, name = model.partition("/")
            try:
                self._asked(
                    model,
                    lambda: self._official.models.create(
                        owner, name, visibility="private", hardware=HARDWARE
                    ),
                )
            except ProviderRefused as error:
                if error.code != "conflict":
                    raise
                # Another worker made it between the two calls; or the name is a deleted model's,
                # which stays taken (replicate-python #323): then it is still not to be had.
                self._asked(model, lambda: self._official.models.get(model))

    def webhook_secret(self) -> str:
        """The account's signing secret; asked for once."""
        with self._lock:
            if self._secret is None:
                secret = self._asked("the webhook secret", self._official.webhooks.default.secret)
                self._secret = str(secret.key)
            return self._secret

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise Forbidden unless the provider signed this body within the last five minutes."""
        try:
            Webhooks.validate(
                headers={name.lower(): value for name, value in headers.items()},
                body=body.decode(),
                secret=WebhookSigningSecret(key=self.webhook_secret()),
                tolerance=WEBHOOK_TOLERANCE_SECONDS,
            )
        except InvalidTimestampError as error:
            raise Forbidden("The webhook is too old, or from the future.") from error
        except (_Invalid, ValueError) as error:
            raise Forbidden(f"The webhook's signature is not valid: {error}.") from error

    def _asked(self, what: str, call: Callable[[], T]) -> T:
        """Call the official client; its errors become ours."""
        self._limits.take(OTHERS)
        try:
            return call()
        except ReplicateError as error:
            raise told_apart(error.status, what, error.detail or error.title or "") from error
        except _Passing as error:
            raise Retryable(str(error), after=error.after) from error
        except httpx.HTTPError as error:
            raise Retryable(f"The provider cannot be reached: {type(error).__name__}.") from error

    # Our own calls.

    def create_training(
        self,
        *,
        trainer: str,
        version: str,
        destination: str,
        input: Mapping[str, Any],
        webhook: str | None,
    ) -> Submission:
        """Ask for a training: one POST, whatever comes of it."""
        return self._http.create(
            f"/v1/models/{trainer}/versions/{version}/trainings",
            {"destination": destination, "input": dict(input)} | _webhook(webhook),
        )

    def create_prediction(
        self, *, version: str, input: Mapping[str, Any], webhook: str | None
    ) -> Submission:
        """Ask for images: one POST, whatever comes of it."""
        return self._http.create(
            "/v1/predictions", {"version": version, "input": dict(input)} | _webhook(webhook)
        )

    def get_training(self, id: str) -> RemoteRun:
        """One training, with its log."""
        return run_of(self._http.read(f"/v1/trainings/{id}"))

    def get_prediction(self, id: str) -> RemoteRun:
        """One prediction, with its log."""
        return run_of(self._http.read(f"/v1/predictions/{id}"))

    def list_trainings(self, cursor: str | None = None) -> RunPage:
        """A page of trainings, newest first; logs may be left out."""
        return page_of(self._http.read(cursor or "/v1/trainings"))

    def list_predictions(self, cursor: str | None = None) -> RunPage:
        """A page of predictions, newest first."""
        return page_of(self._http.read(cursor or "/v1/predictions"))

    def cancel_training(self, id: str) -> None:
        """Ask for it to stop; already ended is no error."""
        self._cancel(f"/v1/trainings/{id}")

    def cancel_prediction(self, id: str) -> None:
        """Ask for it to stop; already ended is no error."""
        self._cancel(f"/v1/predictions/{id}")

    def _cancel(self, path: str) -> None:
        try:
            self._http.change("POST", f"{path}/cancel")
        except ProviderRefused:
            # What it answers for a run that has ended is not documented (replicate.md 8).
            if not run_of(self._http.read(path)).status.ended:
                raise

    def list_versions(self, model: str, cursor: str | None = None) -> VersionPage:
        """A page of the versions of ``owner/name``, newest first. NotFound: there is no such model."""
        return _versions_of(self._http.read(cursor or f"/v1/models/{model}/versions"))

    def version_exists(self, model: str, version: str) -> bool:
        """Whether the model still has this version."""
        try:
            self._http.read(f"/v1/models/{model}/versions/{version}")
        except NotFound:
            return False
        return True

    def delete_version(self, model: str, version: str) -> None:
        """Ask for it to be deleted (202, asynchronous); already gone is no error."""
        try:
            self._http.change("DELETE", f"/v1/models/{model}/versions/{version}")
        except NotFound:
            return

    def delete_model(self, model: str) -> None:
        """Delete a model that has no version left (204); already gone is no error."""
        try:
            self._http.change("DELETE", f"/v1/models/{model}")
        except NotFound:
            return

    def download(self, url: str, path: Path, *, limit: int) -> StoredObject:
        """Stream an output to *path*; size and sha256 are those of what was received."""
        return self._http.download(url, path, limit=limit)

    def close(self) -> None:
        """Close the connections; the official client has no close of its own."""
        self._http.close()
        self._transport.close()


def _versions_of(body: Any) -> VersionPage:
    """A page of a model's versions. Raises Retryable: the body is no page, or not all of it is read;
    what is not seen here would be taken for gone."""
    results = body.get("results") if isinstance(body, dict) else None
    ids = [item.get("id") if isinstance(item, dict) else None for item in results or ()]
    if not isinstance(results, list) or not all(isinstance(id, str) and id for id in ids):
        raise Retryable("The provider's answer cannot be read: it is no page of versions.")
    following = body.get("next")
    return VersionPage(tuple(map(str, ids)), following if isinstance(following, str) else None)


def _webhook(url: str | None) -> dict[str, Any]:
    """Only the end is told to us; everything before it is seen by the watch."""
    return {"webhook": url, "webhook_events_filter": ["completed"]} if url else {}


class _Passing(Exception):
    """The provider is throttling or failing; *after*: seconds it asked us to wait."""

    def __init__(self, status: int, after: float | None) -> None:
        super().__init__(f"The provider answered {status}.")
        self.after = after


class _NoSleep(httpx.BaseTransport):
    """Beneath the official client's retries: what it would sleep on is raised instead."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it; 429 and 5xx are raised."""
        response = self._inner.handle_request(request)
        if response.status_code == 429 or response.status_code >= 500:
            response.read()
            raise _Passing(response.status_code, Http.retry_after(response))
        return response

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()
