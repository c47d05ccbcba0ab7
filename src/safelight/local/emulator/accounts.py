"""Whose token it is. Each account has its own models, runs, files and secrets, as the provider's have."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from safelight.local.emulator.state import State

FIRST = "emulated"
"""The account of the first token; another's has the start of its token's hash behind it."""
_TOKEN = re.compile(r"r8_[A-Za-z0-9_-]{1,100}")


class Accounts:
    """Token → account. Started with tokens, it takes those and no others; started without, any token of the
    provider's form makes an account the first time that it is seen."""

    def __init__(self, state: State, tokens: Sequence[str] = ()) -> None:
        self._state = state
        self._only = {token: FIRST if n == 0 else _named(token) for n, token in enumerate(tokens)}

    def of(self, authorization: str) -> str | None:
        """The account of an Authorization header; None: it has none."""
        scheme, _, token = authorization.partition(" ")
        if scheme not in ("Bearer", "Token") or not _TOKEN.fullmatch(token):
            return None
        return self._only.get(token) if self._only else self._made(token)

    def _made(self, token: str) -> str:
        digest = hashlib.sha256(token.encode()).hexdigest()
        known = self._state.row("SELECT name FROM accounts WHERE token = ?", digest)
        if known is None:
            self._state.run(
                "INSERT OR IGNORE INTO accounts (token, name) SELECT ?, "
                "CASE WHEN EXISTS (SELECT 1 FROM accounts) THEN ? ELSE ? END",
                *(digest, _named(token), FIRST),
            )
            known = self._state.row("SELECT name FROM accounts WHERE token = ?", digest)
        assert known is not None
        return str(known["name"])


def _named(token: str) -> str:
    return f"{FIRST}-{hashlib.sha256(token.encode()).hexdigest()[:8]}"
