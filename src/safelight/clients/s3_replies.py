"""What a store's reply tells of an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safelight.domain.stored import StoredObject


def stored(
    key: str, bytes: int, reply: Mapping[str, Any], *, sha256: str | None = None
) -> StoredObject:
    """The object under *key*, of so many *bytes*; its hash is *sha256*, or else what its writer recorded.
    Names of metadata come in any case: older MinIO capitalizes them. What it was before counts for the bytes
    alone that it was written with."""
    told = {name.lower(): str(value) for name, value in (reply.get("Metadata") or {}).items()}
    ours = sha256 is None or told.get("sha256") == sha256
    etag = str(reply.get("ETag") or "").strip('"')
    return StoredObject(
        key,
        bytes,
        sha256 or told.get("sha256"),
        reply.get("LastModified"),
        etag or None,
        tuple(told.get("before", "").split()) if ours else (),
    )
