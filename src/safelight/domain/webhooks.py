"""Standard Webhooks as the provider signs them: what their headers must be, and whether a signature fits.

Anybody may send one, so the headers alone decide first: most of what is forged costs no look at its body.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from safelight.domain.errors import Forbidden, Invalid

TOLERANCE_SECONDS = 300
"""How far its time may be from ours; within it an id is taken once, after it nothing is."""
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
SIGNATURE_CHARS = 2_000
SIGNATURES = 8
"""While a secret is replaced there are two."""
SECRET_PREFIX = "whsec_"  # noqa: S105 (the form's name)

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SECONDS = re.compile(r"[0-9]{1,12}")
_MAC_BYTES = 32


@dataclass(frozen=True, slots=True)
class Signed:
    """What the headers claim: the message's id, the time it was sent, and the v1 signatures."""

    id: str
    timestamp: str
    macs: tuple[bytes, ...]


def read_headers(headers: Mapping[str, str], now: float) -> Signed:
    """What *headers* (names in lower case) claim, *now* in Unix seconds.

    Raises:
        Forbidden: one is missing or of another form, the time is not ours, or no signature is a v1.
    """
    id, timestamp, signatures = (headers.get(name, "") for name in HEADERS)
    missing = [name for name in HEADERS if not headers.get(name)]
    if missing:
        raise Forbidden(f"The webhook has no {', '.join(missing)}.")
    if not _ID.fullmatch(id):
        raise Forbidden("The webhook's id is not of up to 128 letters, digits and . _ : -.")
    if not _SECONDS.fullmatch(timestamp):
        raise Forbidden("The webhook's timestamp is not in whole seconds.")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise Forbidden(
            f"The webhook is too old, or from the future: over {TOLERANCE_SECONDS} s from now."
        )
    if len(signatures) > SIGNATURE_CHARS:
        raise Forbidden(f"The webhook's signatures are over {SIGNATURE_CHARS:,} characters.")
    macs = [mac for part in signatures.split(" ") if (mac := _mac(part)) is not None]
    if not 1 <= len(macs) <= SIGNATURES:
        raise Forbidden(
            f"The webhook has {len(macs)} v1 signatures; 1 to {SIGNATURES} are looked at."
        )
    return Signed(id, timestamp, tuple(macs))


def _mac(part: str) -> bytes | None:
    version, _, said = part.partition(",")
    if version != "v1":
        return None
    try:
        mac = base64.b64decode(said, validate=True)
    except (binascii.Error, ValueError):
        return None
    return mac if len(mac) == _MAC_BYTES else None


def fits(signed: Signed, body: bytes, key: bytes) -> bool:
    """Whether one of the signatures is that of *body* by *key*: HMAC-SHA256 of id.timestamp.body."""
    made = hmac.new(key, f"{signed.id}.{signed.timestamp}.".encode(), hashlib.sha256)
    made.update(body)
    mac = made.digest()
    return any([hmac.compare_digest(mac, given) for given in signed.macs])  # noqa: C419 (all of them)


def signing_key(secret: str) -> bytes:
    """The key in a signing secret (`whsec_` and base64). Invalid, without the secret, for another form."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or len(key) < 16:
        raise Invalid("The signing secret is not of the form whsec_ and base64.")
    return key
