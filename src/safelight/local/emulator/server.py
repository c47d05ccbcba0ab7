"""What every route of the emulator shares: its state, its clockwork, and whose token it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastapi import Request

from safelight.local.emulator.accounts import Accounts
from safelight.local.emulator.faults import Faults
from safelight.local.emulator.problems import NO_CREDIT, Limits, Problem
from safelight.local.emulator.runs import Runs
from safelight.local.emulator.state import State
from safelight.local.emulator.webhooks import Webhooks

DEFAULT_TIME_SCALE = 150.0
"""A 1,000-step training takes about six seconds."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where its state is kept, how fast its time runs, and how much it trains."""

    data: Path
    time_scale: float = DEFAULT_TIME_SCALE
    layers: str = "subset"
    public_url: str | None = None
    host: str = "127.0.0.1"
    """The address it listens on."""
    tokens: tuple[str, ...] = ()
    """The tokens that it takes; none given: each of the provider's form is an account of its own."""


class Emulator:
    """What the routes share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state = State(settings.data)
        self.faults = Faults()
        self.webhooks = Webhooks(self.state, self.faults)
        self.runs = Runs(
            self.state, settings.data, settings.time_scale, settings.layers, self.webhooks
        )
        self.accounts = Accounts(self.state, settings.tokens)
        self.limits = Limits()
        self.credit = True
        self.version_delete_seconds = 2.0
        self.list_delay_seconds = 0.0
        self._base = settings.public_url or "http://127.0.0.1"
        self.webhooks.show = lambda run: self.runs.shown(run, self._base)

    def base(self, request: Request) -> str:
        """The address links are given out with: how we were called, unless told otherwise."""
        if not self.settings.public_url:
            self._base = f"{request.url.scheme}://{request.url.netloc}"
        return self._base

    def account(self, request: Request) -> str:
        """The account of the request's token. Problem 401 without one."""
        account = self.accounts.of(request.headers.get("authorization", ""))
        if account is None:
            raise Problem(
                401, "You did not pass a valid authentication token", title="Unauthenticated"
            )
        return account

    def paid(self, request: Request) -> str:
        """As `account`, for a request that costs money. Problem 402 without credit."""
        account = self.account(request)
        if not self.credit:
            raise Problem(402, NO_CREDIT, title="Insufficient credit")
        return account
