"""Ids: UUIDv7, so that they sort by the time they were made and index well."""

from __future__ import annotations

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A new UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then random bits."""
    return uuid_utils.compat.uuid7()
