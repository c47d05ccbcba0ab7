"""Signed webhooks: sent once, the last one tried again until about a minute after the end."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from safelight.local.emulator.state import State, dumps

log = logging.getLogger(__name__)
RETRIES = (1, 2, 4, 8, 16, 30)
"""Seconds between tries of the terminal webhook: the last about a minute after completion."""


def sign(secret: str, id: str, timestamp: str, body: bytes) -> str:
    """`v1,<base64>`: HMAC-SHA256 of id.timestamp.body with the decoded part after `whsec_`."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class Webhooks:
    """Sends them from threads of their own, so that a slow receiver stops nothing."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.show: Callable[[dict[str, Any]], dict[str, Any]] = lambda run: run
        """How a run looks from outside; set by the app, which knows its own address."""

    def send(self, run_id: str, event: str) -> None:
        """Tell the run's webhook of *event*, if it has one and wants to know."""
        run = self._state.row("SELECT * FROM runs WHERE id = ?", run_id)
        if run is None or not run["webhook"]:
            return
        wanted = json.loads(run["filter"]) if run["filter"] else ["output", "completed"]
        if event in wanted:
            threading.Thread(
                target=self._deliver, args=(run, event == "completed"), daemon=True
            ).start()

    def _deliver(self, run: dict[str, Any], again: bool) -> None:
        body = dumps(self.show(run)).encode()
        id = f"msg_{secrets.token_urlsafe(20)}"
        secret = self._state.secret(run["account"])
        for pause in (0, *(RETRIES if again else ())):
            time.sleep(pause)
            timestamp = str(int(time.time()))
            request = urllib.request.Request(  # noqa: S310 (checked when it was accepted)
                run["webhook"],
                data=body,
                headers={
                    "content-type": "application/json",
                    "webhook-id": id,
                    "webhook-timestamp": timestamp,
                    "webhook-signature": sign(secret, id, timestamp, body),
                },
            )
            try:
                with urllib.request.urlopen(request, timeout=10):  # noqa: S310
                    return
            except (urllib.error.URLError, OSError) as error:
                log.info("webhook of %s not taken: %s", run["id"], error)
