"""What a store makes of the headers that keep an upload to one file, put once.

Some honour a header, some pass over it, some refuse whoever sends it; none says so beforehand. It is tried
on an object of our own, once a process.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from safelight.clients.s3_faults import status_of


class Header(StrEnum):
    """What a store makes of a header."""

    HONOURED = "honoured"
    IGNORED = "ignored"
    REFUSED = "refused"
    """It takes no request with it."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """`once`: If-None-Match, an object is not put over another. `checksum`: x-amz-checksum-sha256, bytes
    of another hash are not taken."""

    once: Header
    checksum: Header


OF_AWS = Abilities(Header.HONOURED, Header.HONOURED)
_KEY = "temporary/abilities/{}"
_BODY = b"safelight"


def find(client: Any, bucket: str) -> Abilities:
    """Try the two headers. Raises what boto3 raises where the object cannot be put at all."""
    key = _KEY.format(uuid4())

    def put(**more: Any) -> int:
        """The status it was answered with."""
        try:
            client.put_object(Bucket=bucket, Key=key, Body=_BODY, **more)
        except ClientError as error:
            status = status_of(error)
            if status == 429 or (status >= 500 and status != 501):
                raise  # it is busy, which says nothing of what it can do
            return status
        return 200

    client.put_object(Bucket=bucket, Key=key, Body=_BODY)
    try:
        once = _header(lambda: put(IfNoneMatch="*"))
        right, wrong = (b64encode(hashlib.sha256(of).digest()).decode() for of in (_BODY, b"other"))
        checksum = _header(lambda: put(ChecksumSHA256=wrong), lambda: put(ChecksumSHA256=right))
    finally:
        with suppress(ClientError, BotoCoreError):
            client.delete_object(Bucket=bucket, Key=key)
    return Abilities(once, checksum)


def _header(forbids: Callable[[], int], allows: Callable[[], int] | None = None) -> Header:
    """*forbids* is a put that the header forbids, *allows* one that it does not."""
    status = forbids()
    if status == 200:
        return Header.IGNORED
    if allows is None:
        return Header.HONOURED if status in (409, 412) else Header.REFUSED
    return Header.HONOURED if allows() == 200 else Header.REFUSED
