"""Links into the bucket: signed for the host that others reach, and no longer good than they can be.

A link that is signed with temporary keys ends when they do, whatever it says of itself.
"""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from safelight.clients import s3_abilities
from safelight.clients.s3_abilities import Abilities, Header
from safelight.clients.s3_client import Access, open_client, open_session, usual
from safelight.clients.s3_faults import Faults
from safelight.domain.errors import LinkTooShort, Retryable
from safelight.domain.stored import UploadLink

LONGEST = 7 * 24 * 3600
"""Seconds a link of Signature Version 4 may work at most."""
LONGEST_ROLE = 12 * 3600
"""Seconds the keys of a role last at most (AWS STS; a machine's own: six hours)."""
RENEW_SECONDS = 60.0
"""New keys are asked for at most so often."""

_PARAMS = {
    "Content-Type": "ContentType",
    "Content-Length": "ContentLength",
    "If-None-Match": "IfNoneMatch",
    "x-amz-checksum-sha256": "ChecksumSHA256",
}


class Links:
    """Signs links, with the store's own keys."""

    def __init__(self, access: Access, session: Any, client: Any, faults: Faults) -> None:
        self._access = access
        self._session = session
        self._faults = faults
        self._endpoint = usual(access.public_endpoint_url or access.endpoint_url)
        elsewhere = self._endpoint != usual(access.endpoint_url)
        self._client = open_client(session, access, self._endpoint) if elsewhere else client
        self._main = client
        self._renewing, self._trying = threading.Lock(), threading.Lock()
        self._able = s3_abilities.OF_AWS if usual(access.endpoint_url) is None else None
        self._renewed = time.monotonic()

    def get(self, key: str, seconds: int, *, least: int = 0) -> str:
        """A URL that reads the object for *seconds*."""
        return self._sign("get_object", {"Key": key}, seconds, least)

    def put(self, key: str, seconds: int, headers: Mapping[str, str]) -> str:
        """A URL that takes a PUT with exactly these headers."""
        params: dict[str, Any] = {_PARAMS[name]: value for name, value in headers.items()}
        if "ContentLength" in params:
            params["ContentLength"] = int(params["ContentLength"])
        return self._sign("put_object", {"Key": key, **params}, seconds, 0)

    def upload(
        self, key: str, seconds: int, content_type: str, size: int, sha256: str | None
    ) -> UploadLink:
        """A URL that takes one object of *size* bytes, with what the store knows of to keep it to that."""
        able = self.abilities()
        headers = {"Content-Type": content_type}
        if able.once is not Header.REFUSED:
            headers["If-None-Match"] = "*"
        if sha256 and able.checksum is Header.HONOURED:
            headers["x-amz-checksum-sha256"] = b64encode(bytes.fromhex(sha256)).decode()
        lasts = self.lifetime(seconds)
        # Every client sends the length by itself, and some let nobody set it.
        url = self.put(key, lasts, {**headers, "Content-Length": str(size)})
        return UploadLink(url, headers, lasts)

    def abilities(self) -> Abilities:
        """What the store makes of the headers of an upload; AWS's is known, others' is tried once."""
        with self._trying:
            if self._able is None:
                with self._faults.told_apart(self._access.bucket, there=False):
                    self._able = s3_abilities.find(self._main, self._access.bucket)
            return self._able

    def _sign(self, operation: str, params: Mapping[str, Any], seconds: int, least: int) -> str:
        lasts = self.lifetime(seconds, least=least)
        with self._faults.told_apart(params["Key"]):
            url: str = self._client.generate_presigned_url(
                operation, Params={"Bucket": self._access.bucket, **params}, ExpiresIn=lasts
            )
        return url

    def lifetime(self, seconds: int, *, least: int = 0) -> int:
        """For how many seconds a link works that is signed now to work for *seconds*.

        Raises:
            LinkTooShort: under *least*, and it will stay so. Retryable: under *least* (or over) now;
            the keys are renewed from outside.
        """
        wanted = min(seconds, LONGEST)
        left = self.keys_left()
        if left is not None and left < max(least, wanted / 2) and self._renew():
            left = self.keys_left()
        lasts = wanted if left is None else min(wanted, int(left))
        if lasts >= max(least, 1):
            return lasts
        if left is not None and left < 1:
            raise Retryable(
                "The keys of the object store have ended.",
                hint="Renew them and start this process again; the keys of a role renew themselves.",
            )
        said = (
            f"A link into the store has to work for {_hours(least)}, and one signed now would work for "
            f"{_hours(lasts)}"
        )
        if left is None or least > LONGEST:
            raise LinkTooShort(f"{said}: no link works for longer than {_hours(LONGEST)}.")
        hint = (
            "Give the store keys that do not end (AWS_ACCESS_KEY_ID of a user), a role whose sessions are "
            "longer, or ask for less (SAFELIGHT_INPUT_LINK_SECONDS)."
        )
        if self._access.lent and least <= LONGEST_ROLE:
            raise Retryable(f"{said}: the keys end then, and new ones are waited for.", hint=hint)
        raise LinkTooShort(f"{said}: the keys end then.", hint=hint)

    def keys_left(self) -> float | None:
        """Seconds until the keys end; None: they do not, or it is not known."""
        ends = self._access.keys_end
        if self._access.lent:
            with self._faults.told_apart(self._access.bucket):
                keys = self._session.get_credentials()
                if keys is None:
                    return None
                keys.get_frozen_credentials()  # renews what is about to end
            # Nothing public tells it; of a kind that does not end there is none.
            ends = getattr(keys, "_expiry_time", None)
        return (ends - datetime.now(UTC)).total_seconds() if ends else None

    def _renew(self) -> bool:
        """Ask whoever lends the keys for new ones; False: that was done a moment ago, or nobody does."""
        with self._renewing:
            if not self._access.lent or time.monotonic() - self._renewed < RENEW_SECONDS:
                return False
            self._renewed = time.monotonic()
            with self._faults.told_apart(self._access.bucket):
                self._session = open_session(self._access)
                self._client = open_client(self._session, self._access, self._endpoint)
            return True


def _hours(seconds: float) -> str:
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f}".removesuffix(".0") + " h"
