"""The object store: any S3, over boto3. One bucket; keys are relative to it.

The sha256 of what was put is kept as the object's metadata, so that `head` can tell it without a
download; `get_file` computes it anew from the bytes received.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from safelight.domain.errors import ObjectMissing, ObjectTooLarge, Retryable, SafelightError
from safelight.domain.stored import StoredObject

_CHUNK = 1024 * 1024
_MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchBucket"}
_NO_SUCH_CLASS = {"InvalidStorageClass", "NotImplemented", "InvalidArgument"}
_PASSING = {
    "RequestTimeout",
    "SlowDown",
    "InternalError",
    "ServiceUnavailable",
    "500",
    "502",
    "503",
    "504",
}


class StoreRefused(SafelightError):
    """The object store refused a request."""

    code = "store-refused"


@contextmanager
def _told_apart(key: str) -> Iterator[None]:
    """Turn boto's errors into ours: missing, passing, or refused."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _MISSING:
            raise ObjectMissing(f"The object {key!r} is not in the store.") from error
        if code in _PASSING:
            raise Retryable(f"The object store is busy ({code}) at {key!r}.") from error
        raise StoreRefused(
            f"The object store refused {key!r}: {code}.",
            hint="Check the bucket, the keys and their rights with `safelight doctor`.",
        ) from error
    except (HTTPClientError, BotoCoreError, ConnectionError, TimeoutError) as error:
        raise Retryable(f"The object store cannot be reached: {type(error).__name__}.") from error


class S3Store:
    """A bucket. Make one a process, after fork; it is safe to share between threads."""

    def __init__(
        self,
        bucket: str,
        *,
        endpoint_url: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        region: str = "us-east-1",
    ) -> None:
        self.bucket = bucket
        self._s3: Any = boto3.session.Session(
            aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=region
        ).client(
            "s3",
            endpoint_url=endpoint_url,
            config=Config(
                connect_timeout=5,
                read_timeout=60,
                retries={"mode": "standard", "total_max_attempts": 3},
                max_pool_connections=16,
                signature_version="s3v4",
                s3={"addressing_style": "path" if endpoint_url else "auto"},
            ),
        )
        # Objects of ours are small to middling; one part up to 64 MB keeps a put one request.
        self._transfer = TransferConfig(
            multipart_threshold=64 * _CHUNK, multipart_chunksize=64 * _CHUNK, use_threads=False
        )

    def put_bytes(self, key: str, data: bytes, content_type: str) -> StoredObject:
        """Put *data*."""
        return self._put(key, io.BytesIO(data), content_type)

    def put_file(self, key: str, path: Path, content_type: str) -> StoredObject:
        """Put the file at *path*, streamed."""
        with path.open("rb") as file:
            return self._put(key, file, content_type)

    def _put(
        self, key: str, file: io.BytesIO | io.BufferedReader, content_type: str
    ) -> StoredObject:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        with _told_apart(key):
            self._s3.upload_fileobj(
                file,
                self.bucket,
                key,
                ExtraArgs={"ContentType": content_type, "Metadata": {"sha256": digest}},
                Config=self._transfer,
            )
        return StoredObject(key, size, digest)

    def get_bytes(self, key: str, *, limit: int = 64 * _CHUNK) -> bytes:
        """The object's bytes, at most *limit* of them (more raises)."""
        with _told_apart(key):
            reply = self._s3.get_object(Bucket=self.bucket, Key=key)
            data: bytes = reply["Body"].read(limit + 1)
        if len(data) > limit:
            raise StoreRefused(f"The object {key!r} is over {limit:,} bytes.")
        return data

    def get_file(self, key: str, path: Path, *, limit: int | None = None) -> StoredObject:
        """Stream the object to *path*; size and sha256 are those of what was received. More than *limit*
        bytes are not taken: ObjectTooLarge, and what came of them is left at *path*."""
        digest, size = hashlib.sha256(), 0
        with _told_apart(key), path.open("wb") as file, closing(self.stream(key)) as chunks:
            for chunk in chunks:
                size += len(chunk)
                if limit is not None and size > limit:
                    raise ObjectTooLarge(f"The object {key!r} is over {limit:,} bytes.")
                file.write(chunk)
                digest.update(chunk)
        return StoredObject(key, size, digest.hexdigest())

    def stream(self, key: str) -> Generator[bytes, None, None]:
        """The object's bytes in chunks of a megabyte. Raises what botocore raises."""
        reply = self._s3.get_object(Bucket=self.bucket, Key=key)
        with closing(reply["Body"]) as body:
            yield from body.iter_chunks(_CHUNK)

    def head(self, key: str) -> StoredObject | None:
        """What is there under *key*, without its bytes; None if nothing is."""
        try:
            with _told_apart(key):
                reply = self._s3.head_object(Bucket=self.bucket, Key=key)
        except ObjectMissing:
            return None
        return StoredObject(
            key, reply["ContentLength"], reply["Metadata"].get("sha256"), reply["LastModified"]
        )

    def copy(self, source: str, target: str) -> None:
        """Copy within the bucket, at the store."""
        with _told_apart(source):
            self._s3.copy_object(
                Bucket=self.bucket, Key=target, CopySource={"Bucket": self.bucket, "Key": source}
            )

    def move_to_class(self, key: str, storage_class: str) -> str | None:
        """Move the object to *storage_class*, in place; the class it is in afterwards, as far as the
        store tells. A store that has no such class leaves it where it is."""
        with _told_apart(key):
            head = self._s3.head_object(Bucket=self.bucket, Key=key)
            if head.get("StorageClass") != storage_class:
                try:
                    # Named anew, since SeaweedFS refuses a copy onto itself that changes no metadata.
                    self._s3.copy_object(
                        Bucket=self.bucket,
                        Key=key,
                        CopySource={"Bucket": self.bucket, "Key": key},
                        StorageClass=storage_class,
                        MetadataDirective="REPLACE",
                        Metadata=head["Metadata"],
                        ContentType=head["ContentType"],
                    )
                except ClientError as error:
                    if error.response.get("Error", {}).get("Code") not in _NO_SUCH_CLASS:
                        raise
                head = self._s3.head_object(Bucket=self.bucket, Key=key)
        told = head.get("StorageClass")
        return str(told) if told else None

    def delete(self, keys: Iterable[str]) -> None:
        """Delete; a key that is not there is no error. A thousand a request, as S3 allows."""
        todo = list(keys)
        for start in range(0, len(todo), 1000):
            batch = todo[start : start + 1000]
            with _told_apart(batch[0]):
                reply = self._s3.delete_objects(
                    Bucket=self.bucket,
                    Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True},
                )
            if failed := reply.get("Errors"):
                raise Retryable(
                    f"{len(failed)} of {len(batch)} objects were not deleted, "
                    f"the first: {failed[0].get('Key')!r} ({failed[0].get('Code')})."
                )

    def page(self, after: str, limit: int) -> Sequence[StoredObject]:
        """The next objects behind the key *after*, in key order: one request, at most 1,000."""
        with _told_apart(after or self.bucket):
            behind = {"StartAfter": after} if after else {}
            reply = self._s3.list_objects_v2(Bucket=self.bucket, MaxKeys=min(limit, 1000), **behind)
        return [
            StoredObject(item["Key"], item["Size"], None, item["LastModified"])
            for item in reply.get("Contents", ())
        ]

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every object under *prefix*, in key order, a page at a time."""
        with _told_apart(prefix):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix
            )
            for page in pages:
                for item in page.get("Contents", ()):
                    yield StoredObject(item["Key"], item["Size"], None, item["LastModified"])

    def presign_get(self, key: str, seconds: int) -> str:
        """A URL that reads the object for *seconds*."""
        url: str = self._s3.generate_presigned_url(
            "get_object", Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=seconds
        )
        return url

    def presign_put(self, key: str, seconds: int, content_type: str) -> str:
        """A URL that takes an upload of this content type for *seconds*."""
        url: str = self._s3.generate_presigned_url(
            "put_object",
            Params={"Bucket": self.bucket, "Key": key, "ContentType": content_type},
            ExpiresIn=seconds,
        )
        return url

    def ensure_bucket(self) -> None:
        """Make the bucket unless it is there."""
        with _told_apart(self.bucket):
            try:
                self._s3.head_bucket(Bucket=self.bucket)
            except ClientError:
                self._s3.create_bucket(Bucket=self.bucket)

    def close(self) -> None:
        """Close the connections."""
        self._s3.close()
