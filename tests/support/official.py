"""The provider's own client, in whichever of its two lines is installed.

The stable line (1.x) does not import on Python 3.14; the beta (2.x) is pinned there. They share a name,
so an environment has one of them, and the tests of the other are skipped with the reason.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any

import httpx
import pytest

VERSION = version("replicate")
STABLE = VERSION.startswith("1.")

needs_stable = pytest.mark.skipif(
    not STABLE,
    reason=f"replicate {VERSION} is installed; its stable 1.x, which this test drives, does not"
    " import on Python 3.14. tests/contract/test_official_client.py drives what is installed.",
)
needs_beta = pytest.mark.skipif(
    STABLE, reason=f"replicate {VERSION} is installed; this test drives its 2.x, for Python 3.14."
)


def stable(token: str, url: str, timeout: float | None = None) -> Any:
    """A client of 1.x. It has no close of its own: `client._client.close()`."""
    from replicate.client import Client

    patience = None if timeout is None else httpx.Timeout(timeout)
    return Client(api_token=token, base_url=url, timeout=patience)


def beta(token: str, url: str, *, timeout: float = 60, max_retries: int = 0) -> Any:
    """A client of 2.x that sends each request once. By itself it would send a paid one three times."""
    # By its name: a type checker knows the line that it finds, and either may be there.
    return import_module("replicate").Replicate(
        bearer_token=token, base_url=f"{url}/v1", timeout=timeout, max_retries=max_retries
    )


def all_pages(first: Any) -> Any:
    """Every page of a list of 1.x, by the client's own way through them."""
    from replicate.pagination import paginate

    return paginate(first)
