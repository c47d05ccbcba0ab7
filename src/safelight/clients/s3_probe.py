"""Whether a store has what the product asks of it, asked the way the product asks: for `safelight doctor`."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
from botocore.exceptions import ClientError

from safelight.clients.s3 import S3Store
from safelight.clients.s3_abilities import Header
from safelight.clients.s3_client import Access
from safelight.clients.s3_faults import SKEW_SECONDS, headers_of, in_words, skew_of
from safelight.domain.errors import SafelightError
from safelight.domain.stored import UploadLink

Verdict = Literal["ok", "warn", "fail"]
SECONDS_OFF = 60.0
"""A clock that is further off is worth a word: a quarter of an hour off, nothing is taken."""
_BODY = b"safelight"
_NO_NAME = ("localhost", "local", "internal", "lan")


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that was tried: what came of it, and the way out where that is not well."""

    name: str
    verdict: Verdict
    seen: str
    way_out: str = ""


def probe(store: S3Store, *, link_seconds: int, hosted: bool) -> Iterator[Seen]:
    """Try what is needed, in the order in which one needs the other; the first that fails for a reason
    that the rest would share is the last. *link_seconds*: how long a training's link has to work;
    *hosted*: the provider is elsewhere, and has to reach the store."""
    try:
        at = store.at
        told = _head(store)
    except SafelightError as error:
        yield _failed("bucket", error)
        return
    region = headers_of(told).get("x-amz-bucket-region")
    yield Seen("bucket", "ok", f"{store.bucket} at {at.host}, region {region or at.region}")
    yield _clock(told)
    yield from _keys(store, link_seconds)
    folder = f"temporary/doctor/{uuid4()}"
    try:
        _objects(store, folder)
    except SafelightError as error:
        yield _failed("objects", error)
        return
    yield Seen("objects", "ok", "put, told, read, copied, listed and deleted")
    many = (
        "many a request" if at.keys.deletes_many else "one a request, since it has no DeleteObjects"
    )
    yield Seen("deletes", "ok", many)
    linked = f"{folder}/link", f"{folder}/longer"
    try:
        yield from _links(store, *linked)
    finally:
        with suppress(SafelightError):
            store.delete(linked)
    yield from _reach(store.access, at.host, hosted=hosted)


def _failed(name: str, error: SafelightError) -> Seen:
    return Seen(
        name, "fail", error.message, error.hint or "Is it up, and is S3_ENDPOINT_URL right?"
    )


def _head(store: S3Store) -> Any:
    """What a HEAD of the bucket is answered with. It may be refused, with no words for why, to keys that
    may do all that is needed: then a list tells."""
    try:
        with store.at.faults.told_apart(store.bucket, there=False):
            return store.at.s3.head_bucket(Bucket=store.bucket)
    except SafelightError as error:
        if not isinstance(error.__cause__, ClientError):
            raise
        store.page("", 1)
        return error.__cause__.response


def _clock(told: Any) -> Seen:
    off = skew_of(told)
    if off is None:
        return Seen("clock", "ok", "the store tells no time")
    if abs(off) < SECONDS_OFF:
        return Seen("clock", "ok", f"{abs(off):.0f} s apart from the store's")
    said = f"{in_words(off)} the store's"
    return Seen("clock", "fail" if abs(off) > SKEW_SECONDS else "warn", said, "Set the time (NTP).")


def _keys(store: S3Store, link_seconds: int) -> Iterator[Seen]:
    try:
        left = store.at.links.keys_left()
        store.lifetime(link_seconds, least=link_seconds)
    except SafelightError as error:
        yield _failed("keys", error)
        return
    if left is not None:
        yield Seen("keys", "ok", f"end in {left / 3600:.1f} h, and links with them")
    elif store.access.session_token:
        yield Seen(
            "keys",
            "warn",
            "come with a session token, and when they end is not known: a training's link ends then",
            "Set AWS_CREDENTIAL_EXPIRATION too (`aws configure export-credentials --format env`), or use "
            "keys that do not end.",
        )
    else:
        yield Seen("keys", "ok", "do not end")


def _objects(store: S3Store, folder: str) -> None:
    """What every stage does with an object, once."""
    one, two = f"{folder}/one", f"{folder}/two"
    try:
        put = store.put_bytes(one, _BODY, "text/plain")
        there = store.head(one)
        if there is None or (there.bytes, there.sha256) != (put.bytes, put.sha256):
            raise SafelightError(
                "A HEAD does not tell the size and the metadata that were put.",
                hint="A proxy may leave out x-amz-meta- headers.",
            )
        if store.get_bytes(one) != _BODY:
            raise SafelightError("What was read is not what was put.")
        store.copy(one, two)
        found = [item.key for item in store.list(f"{folder}/")]
        if found != [one, two]:
            raise SafelightError(f"Two objects were put, and {len(found)} are listed.")
    except SafelightError:
        with suppress(SafelightError):
            store.delete([one, two])
        raise
    store.delete([one, two])


def _links(store: S3Store, key: str, other: str) -> Iterator[Seen]:
    """An upload and a download by the address that others use, and what holds an upload to its file."""
    try:
        link = store.upload_link(key, 300, "text/plain", bytes=len(_BODY))
        short = store.upload_link(other, 300, "text/plain", bytes=len(_BODY))
        with _outside(store.access) as send:
            host = urlsplit(link.url).netloc
            longer = send("PUT", short, _BODY * 2)
            taken = send("PUT", link, _BODY)
            again = send("PUT", link, _BODY[::-1])
            got = send("GET", UploadLink(store.presign_get(key, 300), {}, 300), None)
    except SafelightError as error:
        yield _failed("links", error)
        return
    except httpx.HTTPError as error:
        yield Seen(
            "links",
            "warn",
            f"{urlsplit(link.url).netloc} cannot be reached from here ({type(error).__name__})",
            "Browsers and the provider have to reach it: S3_PUBLIC_ENDPOINT_URL is their address of it.",
        )
        return
    if (taken, got) != (200, 200):
        yield Seen(
            "links",
            "fail",
            f"by {host} a signed upload was answered {taken}, a signed download {got}",
            "A proxy before the store has to leave host, path and query as they are.",
        )
        return
    yield Seen("links", "ok", f"an upload and a download by {host}")
    if longer == 200:
        yield Seen(
            "uploads", "warn", "a link takes more bytes than it was signed for", _FOUND_LATER
        )
    once = store.at.links.abilities().once
    if again == 200:
        says = "refuses" if once is Header.REFUSED else "passes over"
        yield Seen("uploads", "ok", f"the store {says} If-None-Match. {_FOUND_LATER}")
    else:
        yield Seen("uploads", "ok", "an object is not put over another")


_FOUND_LATER = "A photo that is put over another is found by its hash when it is used."


@contextmanager
def _outside(access: Access) -> Iterator[Callable[[str, UploadLink, bytes | None], int]]:
    """Sends as somebody without keys does; gives the status."""
    trust = ssl.create_default_context(cafile=str(access.ca_bundle) if access.ca_bundle else None)
    with httpx.Client(verify=trust, timeout=10) as client:

        def send(method: str, link: UploadLink, body: bytes | None) -> int:
            return client.request(method, link.url, content=body, headers=link.headers).status_code

        yield send


def _reach(access: Access, host: str, *, hosted: bool) -> Iterator[Seen]:
    """A hint: whether the provider can reach the store is only seen from there."""
    named = urlsplit(access.public_endpoint_url or f"//{host}").hostname or ""
    if not hosted or is_public(named):
        return
    yield Seen(
        "reach",
        "fail" if is_public(named) is None else "warn",
        f"the provider cannot reach {named}, and has to fetch the training zip from it",
        "Set S3_PUBLIC_ENDPOINT_URL to where it can reach this store, use AWS's own, or the emulator.",
    )


def is_public(host: str) -> bool | None:
    """Whether a host may be reached from elsewhere; None: it is this machine itself."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        last = host.rstrip(".").rpartition(".")
        if last[2] == "localhost":
            return None
        return bool(last[0]) and last[2] not in _NO_NAME
    return None if address.is_loopback else address.is_global
