"""The object store: any S3, over boto3. One bucket; keys are relative to it.

What protects a PUT is the body's sha256, which is signed with the request, and a Content-MD5 where it is one
request: bytes that were damaged on the way are refused by the store. The sha256 of what was put is kept as
the object's metadata too, so that `head` can tell it without a download; `get_file` computes it anew from
the bytes received.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from safelight import scratch
from safelight.clients.s3_client import Access, Addressing, digests, open_session
from safelight.clients.s3_faults import code_of
from safelight.clients.s3_opened import Opened, open_bucket
from safelight.clients.s3_replies import stored
from safelight.domain.errors import ObjectMissing, ObjectTooLarge, SafelightError, StoreRefused
from safelight.domain.stored import StoredObject, UploadLink

__all__ = ["S3Store", "StoreRefused"]

_CHUNK = 1024 * 1024
_ONE_PUT = 64 * _CHUNK
"""Objects of ours are small to middling: up to here a put is one request."""
_NO_SUCH_CLASS = {
    *("InvalidStorageClass", "NotImplemented", "InvalidArgument", "InvalidRequest", "501"),
    *("MalformedXML", "UnsupportedStorageClass", "XNotImplemented", "400"),
}


class S3Store:
    """A bucket. Make one a process, after fork; it is safe to share between threads.

    Raises `StoreRefused` where the settings lead to no store. Every method raises `Retryable` for what
    passes by itself, and `StoreRefused` for what a person has to mend.
    """

    def __init__(
        self,
        bucket: str,
        *,
        endpoint_url: str | None = None,
        public_endpoint_url: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        session_token: str | None = None,
        keys_end: datetime | None = None,
        profile: str | None = None,
        region: str | None = None,
        addressing: Addressing = "auto",
        ca_bundle: Path | None = None,
    ) -> None:
        self.bucket = bucket
        self.access = Access(
            bucket=bucket,
            endpoint_url=endpoint_url,
            public_endpoint_url=public_endpoint_url,
            access_key=access_key,
            secret_key=secret_key,
            session_token=session_token,
            keys_end=keys_end,
            profile=profile,
            region=region,
            addressing=addressing,
            ca_bundle=ca_bundle,
        )
        self._transfer = TransferConfig(
            multipart_threshold=_ONE_PUT, multipart_chunksize=_ONE_PUT, use_threads=False
        )
        self._bucket_seen = False
        self._opening = threading.Lock()
        self._opened = None if self.access.lent else open_bucket(self.access)
        if self.access.lent:
            open_session(self.access)  # a profile that is not there is said at once

    @property
    def at(self) -> Opened:
        """The opened bucket; at its first use where somebody lends the keys, who may be away."""
        with self._opening:
            if self._opened is None:
                self._opened = open_bucket(self.access)
            return self._opened

    @property
    def host(self) -> str:
        """Where requests go: host and port."""
        return self.at.host

    @property
    def region(self) -> str:
        """The region that requests and links are signed for."""
        return self.at.region

    def put_bytes(self, key: str, data: bytes, content_type: str) -> StoredObject:
        """Put *data*."""
        return self._put(key, io.BytesIO(data), content_type)

    def put_file(
        self, key: str, path: Path, content_type: str, *, before: tuple[str, ...] = ()
    ) -> StoredObject:
        """Put the file at *path*, streamed; *before* is kept with it."""
        with path.open("rb") as file:
            return self._put(key, file, content_type, before)

    def _put(
        self,
        key: str,
        file: io.BytesIO | io.BufferedReader,
        content_type: str,
        before: tuple[str, ...] = (),
    ) -> StoredObject:
        sha256, md5, size = digests(file)
        metadata = {"sha256": sha256} | ({"before": " ".join(before)} if before else {})
        about: dict[str, Any] = {"ContentType": content_type, "Metadata": metadata}
        with self.at.faults.told_apart(key, there=False):
            if size < self._transfer.multipart_threshold:
                self.at.s3.put_object(
                    Bucket=self.bucket, Key=key, Body=file, ContentMD5=md5, **about
                )
            else:
                self.at.s3.upload_fileobj(
                    file, self.bucket, key, ExtraArgs=about, Config=self._transfer
                )
        return StoredObject(key, size, sha256, before=before)

    def get_bytes(self, key: str, *, limit: int = _ONE_PUT) -> bytes:
        """The object's bytes. Raises ObjectTooLarge over *limit* of them."""
        return b"".join(self.stream(key, limit=limit))

    def get_file(self, key: str, path: Path, *, limit: int | None = None) -> StoredObject:
        """Stream the object to *path*; size and sha256 are those of what was received.

        Raises:
            ObjectTooLarge: there are more bytes than *limit*; no more than that were written.
        """
        digest, size = hashlib.sha256(), 0
        reply = self._get(key, limit)
        with scratch.sink(path) as file:
            for chunk in self._chunks(key, reply, limit):
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        return stored(key, size, reply, sha256=digest.hexdigest())

    def stream(self, key: str, *, limit: int | None = None) -> Iterator[bytes]:
        """The object's bytes in chunks of a megabyte, at most *limit* of them (more raises)."""
        yield from self._chunks(key, self._get(key, limit), limit)

    def _get(self, key: str, limit: int | None) -> Mapping[str, Any]:
        with self.at.faults.told_apart(key):
            reply: Mapping[str, Any] = self.at.s3.get_object(Bucket=self.bucket, Key=key)
        told = reply.get("ContentLength")
        if limit is not None and told is not None and told > limit:
            reply["Body"].close()
            raise _too_large(key, told, limit)
        return reply

    def _chunks(self, key: str, reply: Mapping[str, Any], limit: int | None) -> Iterator[bytes]:
        seen = 0
        with self.at.faults.told_apart(key), closing(reply["Body"]) as body:
            for chunk in body.iter_chunks(_CHUNK):
                seen += len(chunk)
                if limit is not None and seen > limit:
                    raise _too_large(key, seen, limit)
                yield chunk

    def head(self, key: str) -> StoredObject | None:
        """What is there under *key*, without its bytes; None if nothing is."""
        try:
            with self.at.faults.told_apart(key):
                reply = self.at.s3.head_object(Bucket=self.bucket, Key=key)
        except ObjectMissing:
            if not self._bucket_seen:  # a HEAD does not tell a missing object from a missing bucket
                self.at.keys.page("", "", 1)
                self._bucket_seen = True
            return None
        except SafelightError as error:
            raise self._reason(key) or error from error.__cause__
        size = reply.get("ContentLength")
        if size is None:  # a proxy may leave it out
            there = [item for item in self.at.keys.page(key, "", 1) if item.key == key]
            if not there:
                return None
            size = there[0].bytes
        return stored(key, int(size), reply)

    def _reason(self, key: str) -> SafelightError | None:
        """A refused HEAD has no body that says why; a GET of one byte has."""
        try:
            with self.at.faults.told_apart(key):
                self.at.s3.get_object(Bucket=self.bucket, Key=key, Range="bytes=0-0")[
                    "Body"
                ].close()
        except SafelightError as error:
            cause = error.__cause__
            empty = isinstance(cause, ClientError) and code_of(cause) in ("InvalidRange", "416")
            return None if empty else error
        return None

    def copy(self, source: str, target: str) -> None:
        """Copy within the bucket, at the store."""
        with self.at.faults.told_apart(source):
            self.at.s3.copy_object(
                Bucket=self.bucket, Key=target, CopySource={"Bucket": self.bucket, "Key": source}
            )

    def move_to_class(self, key: str, storage_class: str) -> str | None:
        """Move the object to *storage_class*, in place; the class it is in afterwards, as far as the
        store tells. A store that has no such class leaves it where it is."""
        with self.at.faults.told_apart(key):
            head = self.at.s3.head_object(Bucket=self.bucket, Key=key)
            if head.get("StorageClass") != storage_class:
                try:
                    # Named anew, since SeaweedFS refuses a copy onto itself that changes no metadata.
                    self.at.s3.copy_object(
                        Bucket=self.bucket,
                        Key=key,
                        CopySource={"Bucket": self.bucket, "Key": key},
                        StorageClass=storage_class,
                        MetadataDirective="REPLACE",
                        Metadata=head.get("Metadata") or {},
                        ContentType=head.get("ContentType") or "application/octet-stream",
                    )
                except ClientError as error:
                    if code_of(error) not in _NO_SUCH_CLASS:
                        raise
                head = self.at.s3.head_object(Bucket=self.bucket, Key=key)
        told = head.get("StorageClass")
        return str(told) if told else None

    def delete(self, keys: Iterable[str]) -> None:
        """Delete; a key that is not there is no error. A thousand a request where the store has that."""
        self.at.keys.delete(list(keys))

    def page(self, after: str, limit: int) -> Sequence[StoredObject]:
        """The next objects behind the key *after*, in byte order: at most 1,000, and fewer than *limit*
        only where there are no more."""
        return self.at.keys.page("", after, min(limit, 1000))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every object under *prefix*, in byte order, a page at a time."""
        return self.at.keys.all(prefix)

    def lifetime(self, seconds: int, *, least: int = 0) -> int:
        """For how many seconds a link works that is signed now to work for *seconds*.

        Raises:
            LinkTooShort: for less than *least*. Retryable: so now, and new keys are waited for.
        """
        return self.at.links.lifetime(seconds, least=least)

    def presign_get(self, key: str, seconds: int, *, least: int = 0) -> str:
        """A URL that reads the object for *seconds*; raises as `lifetime` does."""
        return self.at.links.get(key, seconds, least=least)

    def presign_put(self, key: str, seconds: int, content_type: str) -> str:
        """A URL that takes a PUT of this content type for *seconds*, of any size: not for producers, who get
        an `upload_link`."""
        return self.at.links.put(key, seconds, {"Content-Type": content_type})

    def upload_link(
        self, key: str, seconds: int, content_type: str, *, bytes: int, sha256: str | None = None
    ) -> UploadLink:
        """A URL that takes one object of *bytes*, once where the store knows of that: what is there is
        not put over. *sha256* (hex): of this content, where the store looks at it."""
        return self.at.links.upload(key, seconds, content_type, bytes, sha256)

    def ensure_bucket(self) -> None:
        """Make the bucket unless it is there."""
        try:
            with self.at.faults.told_apart(self.bucket):
                self.at.s3.head_bucket(Bucket=self.bucket)
        except ObjectMissing:
            where = {"LocationConstraint": self.region}
            elsewhere = self.region not in ("us-east-1", "auto")
            more = {"CreateBucketConfiguration": where} if elsewhere else {}
            with self.at.faults.told_apart(self.bucket, there=False):
                self.at.s3.create_bucket(Bucket=self.bucket, **more)

    def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            self._opened.s3.close()


def _too_large(key: str, size: int, limit: int) -> ObjectTooLarge:
    return ObjectTooLarge(f"The object {key!r} is over {limit:,} bytes: {size:,} or more.")
