"""Many keys at once: listing and deleting, on stores that have all of S3 and on those that do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from safelight.clients.s3_faults import Faults, code_of
from safelight.clients.s3_unreached import no_s3
from safelight.domain.errors import ObjectMissing, Retryable, SafelightError, StoreRefused
from safelight.domain.stored import StoredObject

MANY = 1000
"""Keys a request lists or deletes at most, as S3 has it."""
AT_ONCE = 8
"""Deletes under way at a time where the store takes one key a request; half of the connections."""
_A_LIST = {"IsTruncated", "Contents", "KeyCount", "MaxKeys", "Name"}
"""One of these is in every list of objects, also in an empty one."""
EMPTY_PAGES = 1000
"""Pages without a key in a row that are believed to be followed by one that has some."""
_LACKS = {
    *("NotImplemented", "MethodNotAllowed", "501", "405", "XNotImplemented", "NotSupported"),
    "UnsupportedOperation",
}
_NOT_ITS_SUM = {"BadDigest", "InvalidDigest"}

_Failed = tuple[str, SafelightError]
"""A key that was not deleted, and why."""


class Keys:
    """Lists and deletes in one bucket. What the store turned out not to have is remembered."""

    def __init__(self, client: Any, bucket: str, faults: Faults) -> None:
        self._s3 = client
        self._bucket = bucket
        self._faults = faults
        self.deletes_many = True
        """Whether DeleteObjects is tried; False once deletes of one key did what it did not."""
        self._starts_after = True

    def page(self, prefix: str, after: str, limit: int) -> list[StoredObject]:
        """The next objects under *prefix* behind the key *after*, in byte order: *limit* of them, or
        fewer where there are no more."""
        found: list[StoredObject] = []
        while len(found) < limit:
            part, more = self._part(prefix, after, min(limit - len(found), MANY))
            found += part
            if part:
                after = part[-1].key
            if not more:
                break
        return found

    def all(self, prefix: str) -> Iterator[StoredObject]:
        """Every object under *prefix*, in byte order, a page at a time."""
        after, more = "", True
        while more:
            part, more = self._part(prefix, after, MANY)
            yield from part
            if part:
                after = part[-1].key

    def _part(self, prefix: str, after: str, limit: int) -> tuple[list[StoredObject], bool]:
        """One request's worth, and whether there is more behind it.

        It goes on behind a key and not by a token, which stores lose, repeat or leave out; by a token
        only where a page is empty and says that there is more.
        """
        token: str | None = None
        for _ in range(EMPTY_PAGES):
            try:
                reply = self._ask(prefix, after, limit, token)
            except SafelightError as error:
                if not self._starts_after or not _says(error, _LACKS):
                    raise
                self._starts_after = False  # it has the older request only
                continue
            found = _objects(reply, prefix)
            behind = [item for item in found if item.key.encode() > after.encode()]
            if self._starts_after and len(behind) < len(found):
                self._starts_after = False  # it has no StartAfter: the older request has a Marker
                continue
            more = bool(reply.get("IsTruncated"))
            if behind or not more:
                return behind[:limit], more or len(behind) > limit
            token = reply.get("NextContinuationToken")
            if token is None:
                break
        raise StoreRefused(
            f"The object store lists nothing behind the key {after!r}, and says that there is more.",
            hint="Its lists honour neither StartAfter nor Marker nor tokens; it cannot be used.",
        )

    def _ask(self, prefix: str, after: str, limit: int, token: str | None) -> Mapping[str, Any]:
        asked: dict[str, Any] = {"Bucket": self._bucket, "MaxKeys": limit}
        if prefix:
            asked["Prefix"] = prefix
        with self._faults.told_apart(after or prefix or self._bucket, there=False):
            if not self._starts_after:
                listed: Mapping[str, Any] = self._s3.list_objects(**asked, Marker=after)
            elif token:
                listed = self._s3.list_objects_v2(**asked, ContinuationToken=token)
            else:
                behind = {"StartAfter": after} if after else {}
                listed = self._s3.list_objects_v2(**asked, **behind)
        if not _A_LIST & set(listed):
            raise no_s3(self._faults.host)  # a sign-in page is well-formed too, and lists nothing
        return listed

    def delete(self, keys: Sequence[str]) -> None:
        """Delete; a key that is not there is no error.

        Raises:
            StoreRefused: some may not be deleted. Retryable: some were not; those that were are gone.
        """
        for start in range(0, len(keys), MANY):
            batch = keys[start : start + MANY]
            if not self.deletes_many:
                self._one_by_one(batch)
                continue
            try:
                failed = self._together(batch)
            except SafelightError as error:
                if not isinstance(error, StoreRefused) and not _says(error, _NOT_ITS_SUM):
                    raise
                # Stores without DeleteObjects, or with their own of it, refuse it in many words. Where
                # a delete of one key fails too, it was not that, and its error is shown.
                self._one_by_one(batch)
                self.deletes_many = False
            else:
                _raise_of(failed, len(batch))

    def _together(self, keys: Sequence[str]) -> list[_Failed]:
        with self._faults.told_apart(keys[0], there=False):
            reply = self._s3.delete_objects(
                Bucket=self._bucket,
                Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True},
            )
        told = [(str(item.get("Key")), item) for item in reply.get("Errors") or ()]
        return [(key, self._faults.of_reply(_as_reply(item), key)) for key, item in told]

    def _one_by_one(self, keys: Sequence[str]) -> None:
        def one(key: str) -> _Failed | None:
            try:
                with self._faults.told_apart(key):
                    self._s3.delete_object(Bucket=self._bucket, Key=key)
            except SafelightError as error:
                return key, error
            return None

        first = one(keys[0])
        if first and isinstance(first[1], StoreRefused):
            raise first[1]  # what is not allowed for one is not tried for the rest
        with ThreadPoolExecutor(AT_ONCE, "delete") as pool:
            told = [first, *pool.map(one, keys[1:])]
        _raise_of([failed for failed in told if failed], len(keys))


def _says(error: SafelightError, codes: set[str]) -> bool:
    """Whether the store answered with one of these codes."""
    cause = error.__cause__
    return isinstance(cause, ClientError) and code_of(cause) in codes


def _raise_of(failed: Sequence[_Failed], of: int) -> None:
    """What follows of the keys that were not deleted: what is not allowed goes before what passes."""
    left = [(key, error) for key, error in failed if not isinstance(error, ObjectMissing)]
    if not left:
        return
    left.sort(key=lambda told: isinstance(told[1], Retryable))
    key, first = left[0]
    kind = Retryable if isinstance(first, Retryable) else StoreRefused
    raise kind(
        f"{len(left)} of {of} objects were not deleted, the first: {key!r}. {first.message}",
        hint=first.hint,
    )


def _as_reply(item: Mapping[str, Any]) -> ClientError:
    """One key's error within an answer of 200, as the answer to a request of its own."""
    return ClientError({"Error": dict(item), "ResponseMetadata": {}}, "DeleteObject")


def _objects(reply: Mapping[str, Any], prefix: str) -> list[StoredObject]:
    """What a list holds, in byte order, which some stores do not keep to."""
    found = []
    for item in reply.get("Contents") or ():
        key = _plain(str(item.get("Key", "")), prefix)
        found.append(StoredObject(key, int(item.get("Size") or 0), None, _time(item)))
    return sorted(found, key=lambda item: item.key.encode())


def _plain(key: str, prefix: str) -> str:
    """A key as it is. Keys are asked for in URL form; boto3 puts them back where the store says that it
    did so, and some do it without saying. Ours have a folder, and no per cent sign."""
    if "%2F" in key.upper() and ("/" not in key or not key.startswith(prefix)):
        return unquote_plus(key)
    return key


def _time(item: Mapping[str, Any]) -> datetime | None:
    told = item.get("LastModified")
    return told if isinstance(told, datetime) else None
