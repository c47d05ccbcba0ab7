"""What the provider's refusals are to us."""

from __future__ import annotations

from safelight.domain.errors import (
    NotFound,
    ProviderRefused,
    Retryable,
    SafelightError,
    TokenRefused,
    Unavailable,
)

THROTTLED = 429
PASSING = frozenset({408, 425})
"""Refusals of a read that may pass if it is asked again; so may every 5xx."""


class Conflicting(ProviderRefused):
    """The provider has such a thing already."""

    code = "conflict"


def told_apart(status: int | None, what: str, detail: str) -> SafelightError:
    """The error for a read or a change that the provider answered with *status*."""
    if status == 404:
        return NotFound(f"The provider does not know {what}.")
    if status == THROTTLED:
        return Unavailable(f"The provider answered {status} for {what}.")
    if status is None or status in PASSING or status >= 500:
        return Retryable(f"The provider answered {status} for {what}.")
    if status == 401:
        return TokenRefused(hint="Check REPLICATE_API_TOKEN.")
    if status == 409:
        return Conflicting(f"The provider refused {what} (409): {detail}")
    return ProviderRefused(f"The provider refused {what} ({status}): {detail}")
