"""How the object store is reached: where it is, with which keys, and what of S3 is asked of it.

What every store that speaks S3 has is used, and no more: checksums in trailers and in headers are left out
where S3 does not require them, a link names the region's own host, and the region is the one that is set.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from safelight.clients.s3_unreached import of_link
from safelight.domain.errors import StoreRefused

ANY_REGION = "us-east-1"
"""Where none is set: AWS's first region, and what stores without regions take."""
_OF_AWS = re.compile(r"s3(?:[.-](?P<region>[a-z]{2}[a-z0-9-]*-\d+))?\.amazonaws\.com(?:\.cn)?")
_REGION_IN_HOST = re.compile(r"s3[.-](?P<region>[a-z]{2}(?:-[a-z]+)+-\d+)\.")
"""Of AWS, Backblaze B2, Wasabi and others: a region within the host, as in s3.eu-central-003.example."""

Addressing = Literal["auto", "path", "virtual"]


@dataclass(frozen=True, slots=True)
class Access:
    """A bucket and what opens it. Without keys boto3's own chain is asked: a profile, a role, a web
    identity, the machine's. `keys_end`: when keys that are given stop working, where that is known."""

    bucket: str
    endpoint_url: str | None = None
    public_endpoint_url: str | None = None
    """Where others reach the same bucket; links name it. None: they reach it where we do."""
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    keys_end: datetime | None = None
    profile: str | None = None
    region: str | None = None
    addressing: Addressing = "auto"
    ca_bundle: Path | None = None

    @property
    def lent(self) -> bool:
        """Whether the keys come of boto3's own chain, which also renews them."""
        return not self.access_key and not self.secret_key

    def style_at(self, endpoint_url: str | None) -> str:
        """`virtual` at AWS: any other style signs links for a host without a region, which regions
        made since 2019 and new buckets do not answer at. `path` elsewhere: a certificate and a DNS
        entry for each bucket are AWS's. A bucket's name with a dot is always in the path (boto3)."""
        if self.addressing != "auto":
            return self.addressing
        return "path" if endpoint_url else "virtual"


def usual(endpoint_url: str | None) -> str | None:
    """None for AWS's own endpoints, whose hosts boto3 knows better than we do."""
    if not endpoint_url:
        return None
    found = _OF_AWS.fullmatch(urlsplit(endpoint_url).hostname or "")
    return None if found else endpoint_url.rstrip("/")


def region_in(endpoint_url: str | None) -> str | None:
    """The region that an endpoint's host names, if it does."""
    found = _REGION_IN_HOST.match(urlsplit(endpoint_url or "").hostname or "")
    return found["region"] if found else None


def open_session(access: Access) -> Any:
    """A boto3 session: with the keys that are given, and then no profile counts, or with its own chain.

    Raises:
        StoreRefused: half of the keys is given, or there is no such profile.
    """
    if bool(access.access_key) != bool(access.secret_key):
        raise StoreRefused(
            "Only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set.",
            hint="Set both, or neither to have them from a profile or the machine's role.",
        )
    keys: dict[str, Any] = {}
    try:
        if access.access_key:
            # A profile that the environment names is not looked for: it may not even exist.
            core = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
            keys = {
                "aws_access_key_id": access.access_key,
                "aws_secret_access_key": access.secret_key,
                "aws_session_token": access.session_token,
            }
        else:
            core = botocore.session.Session(profile=access.profile)
        named = access.region or region_in(access.endpoint_url)
        region = named or core.get_config_variable("region") or ANY_REGION
        return boto3.session.Session(botocore_session=core, region_name=region, **keys)
    except BotoCoreError as error:
        raise StoreRefused(
            f"The keys for the object store cannot be had: {error}",
            hint="AWS_PROFILE names a profile of ~/.aws/config; or set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY.",
        ) from error


def open_client(session: Any, access: Access, endpoint_url: str | None) -> Any:
    """A client of *session* at *endpoint_url* (None: AWS).

    Raises:
        StoreRefused: the settings make no client. Retryable: whoever lends the keys is away.
    """
    if access.ca_bundle is not None and not access.ca_bundle.is_file():
        raise StoreRefused(
            f"AWS_CA_BUNDLE names {access.ca_bundle}, which is no file.",
            hint="It holds the certificates that the object store's own is signed with, as PEM.",
        )
    try:
        client = session.client(
            "s3",
            endpoint_url=endpoint_url,
            verify=str(access.ca_bundle) if access.ca_bundle else None,
            config=Config(
                connect_timeout=5,
                read_timeout=60,
                retries={"mode": "standard", "total_max_attempts": 3},
                max_pool_connections=16,
                signature_version="s3v4",
                # Otherwise a body goes in pieces with a checksum behind it, which many stores refuse.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={
                    "addressing_style": access.style_at(endpoint_url),
                    "us_east_1_regional_endpoint": "regional",
                    # The body's sha256 is signed: what protects a PUT, since no checksum goes with it.
                    "payload_signing_enabled": True,
                },
            ),
        )
    except BotoCoreError as error:  # keys are looked for here, if none is given
        raise of_link(error, urlsplit(endpoint_url or "").netloc or "AWS") from error
    except ValueError as error:
        raise StoreRefused(
            f"The object store's settings are not valid: {error}.", hint="See S3_ENDPOINT_URL."
        ) from error
    # A request that is sent on to the bucket's own region would succeed, and each link fail.
    client.meta.events.register("before-call.s3", _stays_in_its_region)
    client.meta.events.register("before-call.s3.DeleteObjects", _with_md5)
    return client


def digests(file: BinaryIO) -> tuple[str, str, int]:
    """The sha256 (hex), the MD5 as Content-MD5 has it, and the size, in one reading."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    while chunk := file.read(1024 * 1024):
        sha256.update(chunk)
        md5.update(chunk)
        size += len(chunk)
    file.seek(0)
    return sha256.hexdigest(), b64encode(md5.digest()).decode(), size


def _stays_in_its_region(params: dict[str, Any], **_: Any) -> None:
    """boto3 follows a bucket to its region unless it has done so already; links cannot follow."""
    params["context"].setdefault("s3_redirect", {})["redirected"] = True


def _with_md5(params: dict[str, Any], **_: Any) -> None:
    """Older stores (MinIO, Ceph) take no DeleteObjects without a Content-MD5."""
    params["headers"]["Content-MD5"] = digests(BytesIO(params["body"]))[1]
