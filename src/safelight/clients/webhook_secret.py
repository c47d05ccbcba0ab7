"""The secret the provider signs its webhooks with: asked for in the background, never by a webhook."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from safelight import logging
from safelight.domain.errors import SafelightError, Unavailable
from safelight.domain.webhooks import signing_key

log = logging.get(__name__)

EVERY_SECONDS = 60.0
"""How often the provider is asked at most: after a failure, and after a signature that does not fit."""
SOON_SECONDS = 0.5


class WebhookSecret:
    """It is known, or asked for by a thread of its own: whoever needs it meanwhile is told when to come
    again. Threads may share it."""

    def __init__(
        self, ask: Callable[[], str], given: str | None, *, every: float = EVERY_SECONDS
    ) -> None:
        """*ask* asks the provider, within seconds, and at most *every* so many; *given*: a secret that was
        set, never asked for."""
        self._every = every
        self._ask = ask
        self._given = given is not None
        self._key = signing_key(given) if given is not None else None
        self._lock = threading.Lock()
        self._asked_at = -math.inf
        self._asking = False
        self._answered = threading.Event()
        self._problem = ""

    def learn(self, *, anew: bool = False) -> None:
        """Ask for it in the background, unless it is known (and not wanted *anew*), or was asked for
        within the last minute."""
        with self._lock:
            lately = time.monotonic() - self._asked_at < self._every
            if self._given or self._asking or lately or (self._key is not None and not anew):
                return
            self._asking, self._asked_at = True, time.monotonic()
            self._answered.clear()
        threading.Thread(target=self._learn, name="webhook-secret", daemon=True).start()

    def _learn(self) -> None:
        try:
            key, problem = signing_key(self._ask()), ""
        except Exception as error:  # noqa: BLE001 (whatever it is, webhooks wait and the watch goes on)
            key = None
            problem = error.message if isinstance(error, SafelightError) else type(error).__name__
            log.warning("webhook.secret_unknown", error=problem)
        with self._lock:
            self._key = key or self._key
            self._problem, self._asking = problem, False
        self._answered.set()

    def wait(self) -> float:
        """Seconds until it may be known, after seeing that it is asked for; 0: it is known."""
        self.learn()
        if self._key is not None:
            return 0.0
        with self._lock:
            if self._asking:
                return SOON_SECONDS
            return max(SOON_SECONDS, self._every - (time.monotonic() - self._asked_at))

    def key(self, patience: float) -> bytes:
        """The key; where it is being asked for, that is waited for, so many seconds.

        Raises:
            Unavailable: it is not known yet; `after` says when it may be.
        """
        wait = self.wait()
        if wait:
            self._answered.wait(patience)
            wait = self.wait()
        if (key := self._key) is None:
            raise Unavailable(
                f"The provider's signing secret is not known. {self._problem}".strip(),
                hint="Set REPLICATE_WEBHOOK_SECRET, and it is not asked for.",
                after=wait,
            )
        return key
