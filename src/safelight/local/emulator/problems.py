"""The provider's error bodies, word for word where they are known (replicate.md 2.6)."""

from __future__ import annotations

import time
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from safelight.local.emulator.state import dumps

NOT_FOUND = "The requested resource could not be found."
NO_CREDIT = (
    "You have insufficient credit to run this model. Go to "
    "https://replicate.com/account/billing#billing to purchase credit. Once you purchase credit, "
    "please wait a few minutes before trying again."
)
INVALID_VERSION = (
    "The specified version does not exist (or perhaps you don't have permission to use it?)"
)
NO_DESTINATION = "The specified training destination does not exist"


class Problem(Exception):
    """An answer of 4xx or 5xx."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        title: str | None = None,
        headers: Any = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers: dict[str, str] = dict(headers or {})
        self.body = {"detail": detail, "status": status, **more}
        if title:
            self.body = {"title": title, **self.body}

    def response(self) -> Response:
        """The answer as problem+json, with the newline that ends the provider's."""
        return Response(
            dumps(self.body) + "\n",
            self.status,
            headers=self.headers,
            media_type="application/problem+json",
        )


async def json_object(request: Request) -> dict[str, Any]:
    """The request's body. Problem 400 where it is no JSON object."""
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Problem(400, "The request's body is no JSON object.")
    return body


def invalid(fields: list[tuple[str, str, str]]) -> Problem:
    """422 for a body that does not fit the schema: (type, field, description) of each."""
    return Problem(
        422,
        "".join(f"- {field}: {description}\n" for _, field, description in fields),
        title="Input validation failed",
        invalid_fields=[
            {"type": type, "field": field, "description": description}
            for type, field, description in fields
        ],
    )


def throttled(seconds: float) -> Problem:
    """429, with the wait in the header and in the body."""
    wait = max(1, round(seconds))
    return Problem(
        429,
        f"Request was throttled. Your rate limit resets in ~{wait}s.",
        retry_after=wait,
        headers={"retry-after": str(wait)},
    )


A_MINUTE = {"prediction": 600, "other": 3000}


class Limits:
    """The provider's rate limits: 600 predictions and 3,000 other requests a minute an account."""

    def __init__(self) -> None:
        self.a_minute = dict(A_MINUTE)
        self._left: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, account: str, kind: str) -> dict[str, str]:
        """Spend one; the headers that say what is left. Problem 429 when nothing is."""
        top = self.a_minute[kind]
        now = time.monotonic()
        left, at = self._left.get((account, kind), (float(top), now))
        left = min(float(top), left + (now - at) * top / 60)
        if left < 1:
            self._left[account, kind] = (left, now)
            raise throttled((1 - left) * 60 / top)
        self._left[account, kind] = (left - 1, now)
        return {"ratelimit-remaining": str(int(left - 1)), "ratelimit-reset": "1"}
