"""An opened bucket: boto3's client of it, and those of ours that work with that client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from safelight.clients.s3_client import Access, open_client, open_session, usual
from safelight.clients.s3_faults import Faults
from safelight.clients.s3_keys import Keys
from safelight.clients.s3_links import Links
from safelight.clients.s3_unreached import no_keys


@dataclass(frozen=True, slots=True)
class Opened:
    """`host` is where the requests go, `region` what they are signed for."""

    s3: Any
    host: str
    region: str
    faults: Faults
    keys: Keys
    links: Links


def open_bucket(access: Access) -> Opened:
    """Open it: with keys that are given nothing is asked of anybody, else whoever lends them.

    Raises:
        StoreRefused: the settings make no client. Retryable: no keys can be had now.
    """
    session = open_session(access)
    client = open_client(session, access, usual(access.endpoint_url))
    if session.get_credentials() is None:
        # The client would stay without keys for good; a machine's role may come later than we do.
        client.close()
        raise no_keys()
    host = urlsplit(str(client.meta.endpoint_url)).netloc
    region = str(client.meta.region_name)
    short = (access.access_key or "").startswith("ASIA") and not access.session_token
    faults = Faults(access.bucket, host, region, short_key=short)
    return Opened(
        client,
        host,
        region,
        faults,
        Keys(client, access.bucket, faults),
        Links(access, session, client, faults),
    )
