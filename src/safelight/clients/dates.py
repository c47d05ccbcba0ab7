"""What time it is elsewhere: the `Date` that every HTTP answer bears."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

SECONDS = 4.0


def ahead_of(url: str) -> float | None:
    """Seconds by which this machine's clock is ahead of the server's at *url*, to the second; None: it does
    not say. Nothing of ours is sent: no key, no body."""
    before = datetime.now(UTC)
    try:
        answer = httpx.head(url, timeout=SECONDS, follow_redirects=False)
        there = parsedate_to_datetime(answer.headers["Date"])
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError):
        return None
    here = before + (datetime.now(UTC) - before) / 2
    return (here - there.replace(tzinfo=there.tzinfo or UTC)).total_seconds()
