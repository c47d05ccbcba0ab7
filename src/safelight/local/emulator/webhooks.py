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

from safelight.local.emulator.faults import Fault, Faults
from safelight.local.emulator.state import State, dumps

log = logging.getLogger(__name__)
RETRIES = (1, 2, 4, 8, 16, 30)
"""Seconds between tries of the terminal webhook: the last about a minute after completion."""


def sign(secret: str, id: str, timestamp: str, body: bytes) -> str:
    """`v1,<base64>`: HMAC-SHA256 of id.timestamp.body with the decoded part after `whsec_`."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _message_id() -> str:
    return f"msg_{secrets.token_urlsafe(20)}"


class Webhooks:
    """Sends them from threads of their own, so that a slow receiver stops nothing."""

    def __init__(self, state: State, faults: Faults) -> None:
        self._state = state
        self._faults = faults
        self.show: Callable[[dict[str, Any]], dict[str, Any]] = lambda run: run
        """How a run looks from outside; set by the app, which knows its own address."""

    def accepted(self, run_id: str) -> None:
        """A run was accepted and its request is not answered yet: a webhook may be early."""
        run = self._find(run_id)
        if run is not None and run["webhook"]:
            fault = self._faults.take("webhook")
            if fault.get("do") == "early":
                self._deliver(run, _message_id(), again=False, fault={})

    def send(self, run_id: str, event: str) -> None:
        """Tell the run's webhook of *event*, if it has one and wants to know."""
        run = self._find(run_id)
        if run is None or not self._wants(run, event):
            return
        fault = self._faults.take("webhook")
        if fault.get("do") == "lose":
            return
        id = _message_id()  # the message's, however often it is delivered
        for _ in range(3 if fault.get("do") == "double" else 1):
            threading.Thread(
                target=self._deliver, args=(run, id, event == "completed", fault), daemon=True
            ).start()

    def _find(self, run_id: str) -> dict[str, Any] | None:
        return self._state.row("SELECT * FROM runs WHERE id = ?", run_id)

    @staticmethod
    def _wants(run: dict[str, Any], event: str) -> bool:
        wanted = json.loads(run["filter"]) if run["filter"] else ["output", "completed"]
        return bool(run["webhook"]) and event in wanted

    def _deliver(self, run: dict[str, Any], id: str, again: bool, fault: Fault) -> None:
        body = dumps(self.show(run)).encode()
        secret = self._state.secret(run["account"])
        age = 0.0
        match fault.get("do"):
            case "forge":
                secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
            case "stale":
                age = float(fault.get("seconds", 3600))
            case "late":
                time.sleep(float(fault.get("seconds", 5)))
        for pause in (0, *(RETRIES if again else ())):
            time.sleep(pause)
            timestamp = str(int(time.time() - age))
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
