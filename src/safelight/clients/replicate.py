"""Replicate: what we ask of it, and how its answers are told apart.

Our own client over httpx (see `replicate_http`). The official one retries, sleeps as long as it is told,
hides what a run cost and loses a page for one odd run in it; and it reads whatever comes, of any size.
A paid create is one POST, a read tells a missing run from a passing fault, and an output is fetched
without our token.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from safelight.clients.limits import Limits, LocalLimits
from safelight.clients.replicate_answers import (
    account_of,
    latest_of,
    page_of,
    run_of,
    schema_of,
    versions_of,
)
from safelight.clients.replicate_faults import Conflicting, NoSuchName
from safelight.clients.replicate_http import Http
from safelight.clients.webhook_secret import WebhookSecret
from safelight.domain.errors import Forbidden, NotFound, ProviderRefused, Unreadable
from safelight.domain.provider import (
    MODEL,
    RUN_ID,
    VERSION_ID,
    NotSent,
    RemoteRun,
    RunPage,
    Submission,
    VersionPage,
)
from safelight.domain.stored import StoredObject
from safelight.domain.texts import shown
from safelight.domain.webhooks import fits, read_headers

HARDWARE = "gpu-t4"
"""A model has to name one; the provider overrides it for FLUX fine-tunes (replicate.md 2.5)."""
SECRET_SECONDS = 5.0
"""What the provider has to tell the signing secret; webhooks are late until then, and nothing else."""


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
        webhook_secret: str | None = None,
    ) -> None:
        """*timeout*: seconds that the provider may be silent before we give up on an answer.
        *limits*: asked before each request (default: a bucket of this process alone).
        *webhook_secret*: what its webhooks are signed with (default: the provider is asked)."""
        self._http = Http(
            token, base_url, delivery_hosts, timeout=timeout, limits=limits or LocalLimits()
        )
        self._account: str | None = None
        self._secret = WebhookSecret(self._ask_for_secret, webhook_secret)

    # The account and its models.

    def account(self) -> str:
        """The account (owner name) the token belongs to; asked for once."""
        if self._account is None:
            self._account = account_of(self._http.read("/v1/account"))
        return self._account

    def latest_version(self, model: str) -> str:
        """The id (64 hex) of the newest version of ``owner/name``. NotFound if it has none."""
        found = latest_of(self._http.read(_model(model)))
        if found is None:
            raise NotFound(f"The model {model} has no version at the provider.")
        return found

    def version_schema(self, model: str, version: str) -> Mapping[str, Any]:
        """The ``openapi_schema`` of a version; empty where the provider shows none."""
        return schema_of(self._http.read(_version(model, version)))

    def ensure_model(self, model: str) -> None:
        """Make the private destination model ``owner/name`` unless it is there."""
        path = _model(model)
        try:
            self._http.read(path)
        except NotFound:
            owner, _, name = model.partition("/")
            made = {"owner": owner, "name": name, "visibility": "private", "hardware": HARDWARE}
            try:
                self._http.change("POST", "/v1/models", made)
            except Conflicting:
                # Another worker made it between the two calls; or the name is a deleted model's,
                # which stays taken (replicate-python #323): then it is still not to be had.
                self._http.read(path)

    # Webhooks.

    def learn_webhook_secret(self) -> None:
        """Have the signing secret asked for in the background, if it is not known."""
        self._secret.learn()

    def webhook_secret_wait(self) -> float:
        """Seconds until it may be known; 0: a webhook can be verified now."""
        return self._secret.wait()

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise Forbidden unless the provider signed this body within the last five minutes, Unavailable
        where its secret is not known. After a signature that does not fit, the secret is asked for
        anew: it may have been replaced."""
        signed = read_headers(_lower(headers), time.time())
        if not fits(signed, body, self._secret.key(SECRET_SECONDS)):
            self._secret.learn(anew=True)
            raise Forbidden("The webhook's signature is not the provider's.")
        try:
            body.decode()
        except UnicodeDecodeError:
            raise Forbidden("The webhook's body is not UTF-8: the provider sends JSON.") from None

    def _ask_for_secret(self) -> str:
        found = self._http.read("/v1/webhooks/default/secret", seconds=SECRET_SECONDS)
        key = found.get("key") if isinstance(found, dict) else None
        if not isinstance(key, str):
            raise Unreadable("The provider's answer cannot be read: it has no signing secret.")
        return key

    # Runs.

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
        try:
            path = f"{_version(trainer, version)}/trainings"
        except NoSuchName as wrong:
            return NotSent(wrong.message)
        body = {"destination": destination, "input": dict(input)} | _webhook(webhook)
        return self._http.create(path, body)

    def create_prediction(
        self, *, version: str, input: Mapping[str, Any], webhook: str | None
    ) -> Submission:
        """Ask for images: one POST, whatever comes of it."""
        return self._http.create(
            "/v1/predictions", {"version": version, "input": dict(input)} | _webhook(webhook)
        )

    def get_training(self, id: str) -> RemoteRun:
        """One training, with its log."""
        return self._run("trainings", id)

    def get_prediction(self, id: str) -> RemoteRun:
        """One prediction, with its log."""
        return self._run("predictions", id)

    def list_trainings(self, cursor: str | None = None) -> RunPage:
        """A page of trainings, newest first; logs may be left out."""
        return page_of(self._http.read(cursor or "/v1/trainings"))

    def list_predictions(self, cursor: str | None = None) -> RunPage:
        """A page of predictions, newest first."""
        return page_of(self._http.read(cursor or "/v1/predictions"))

    def cancel_training(self, id: str) -> None:
        """Ask for it to stop; already ended is no error."""
        self._cancel("trainings", id)

    def cancel_prediction(self, id: str) -> None:
        """Ask for it to stop; already ended is no error."""
        self._cancel("predictions", id)

    def _run(self, kind: str, id: str) -> RemoteRun:
        """Raises Unreadable where the answer is another run's: what it says is not this one's state."""
        run = run_of(self._http.read(_run_path(kind, id)))
        if run.id != id:
            raise Unreadable(f"The provider was asked for {id} and answered with {run.id}.")
        return run

    def _cancel(self, kind: str, id: str) -> None:
        try:
            self._http.change("POST", f"{_run_path(kind, id)}/cancel")
        except ProviderRefused:
            # What it answers for a run that has ended is not documented (replicate.md 8).
            if not self._run(kind, id).status.ended:
                raise

    # Versions.

    def list_versions(self, model: str, cursor: str | None = None) -> VersionPage:
        """A page of the versions of ``owner/name``, newest first. NotFound: there is no such model."""
        return versions_of(self._http.read(cursor or f"{_model(model)}/versions"))

    def version_exists(self, model: str, version: str) -> bool:
        """Whether the model still has this version."""
        try:
            self._http.read(_version(model, version))
        except NotFound:
            return False
        return True

    def delete_version(self, model: str, version: str) -> None:
        """Ask for it to be deleted (202, asynchronous); already gone is no error."""
        try:
            self._http.change("DELETE", _version(model, version))
        except NotFound:
            return

    def delete_model(self, model: str) -> None:
        """Delete a model that has no version left (204); already gone is no error."""
        try:
            self._http.change("DELETE", _model(model))
        except NotFound:
            return

    def download(self, url: str, path: Path, *, limit: int) -> StoredObject:
        """Stream an output to *path*; size and sha256 are those of what was received."""
        return self._http.download(url, path, limit=limit)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


# Names that stand in the paths that we ask for with our token: of the provider's form, or not asked for.


def _model(model: str) -> str:
    if not MODEL.fullmatch(model):
        raise NoSuchName(
            f"{shown(model, most=100)!r} is no model's name.",
            hint="It is owner/name, as its page has it.",
        )
    owner, _, name = model.partition("/")
    return f"/v1/models/{quote(owner, safe='')}/{quote(name, safe='')}"


def _version(model: str, version: str) -> str:
    if not VERSION_ID.fullmatch(version):
        raise NoSuchName(
            f"{shown(version, most=100)!r} is no version's id.",
            hint="It has at most 100 letters, digits, _ and -; most have 64 hex digits.",
        )
    return f"{_model(model)}/versions/{quote(version, safe='')}"


def _run_path(kind: str, id: str) -> str:
    if not RUN_ID.fullmatch(id):
        raise NotFound(
            f"The provider has no run {shown(id, most=100)!r}: its ids are letters and digits."
        )
    return f"/v1/{kind}/{quote(id, safe='')}"


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _webhook(url: str | None) -> dict[str, Any]:
    """Only the end is told to us; everything before it is seen by the watch."""
    return {"webhook": url, "webhook_events_filter": ["completed"]} if url else {}
