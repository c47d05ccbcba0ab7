"""A small S3 of the tests' own, over TLS, that refuses what real stores refuse.

    with strict_s3(GCS, folder) as store:
        S3Store("acme", endpoint_url=store.url, ca_bundle=store.ca, access_key=..., ...)

It verifies Signature Version 4 (in headers and in links, with the session token), the body's hash, the
clock and the region, and keeps objects in memory. A `Dialect` says which kind of store it is; `fail` has it
answer the next requests with an error; `requests` is what it was asked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.support.certificates import Certificates

BUCKET = "acme"
ACCESS, SECRET = "STRICTKEY", "strict-secret"
SKEW = 15 * 60
WEEK = 7 * 24 * 3600


@dataclass(frozen=True)
class Dialect:
    """What a kind of store does not do as S3 does it."""

    name: str
    region: str = "us-east-1"
    other_regions: frozenset[str] = frozenset()
    """Regions it takes as its own as well; `*`: any."""
    moves: str = "400"
    """A wrong region: `301` PermanentRedirect, or `400` AuthorizationHeaderMalformed."""
    deletes_many: str = "yes"
    """`yes`; `501` NotImplemented; `405` MethodNotAllowed; `md5`: with a Content-MD5 only."""
    trailers: bool = False
    """Whether a body may come in aws-chunked pieces."""
    once: str = "honoured"
    """If-None-Match on a PUT: `honoured`, `ignored` or `refused`."""
    checksum: str = "honoured"
    """x-amz-checksum-*: `honoured`, `ignored` or `refused`."""
    max_keys: int = 1000
    starts_after: bool = True
    lists_v2: bool = True
    url_keys: str = "told"
    """Keys in lists: `told` (in URL form, and it says so), `untold`, or `plain`."""
    metadata_case: str = "lower"
    heads_tell_length: bool = True
    etags: bool = True
    times_in_lists: bool = True
    classes: frozenset[str] = frozenset({"STANDARD", "STANDARD_IA", "GLACIER_IR"})
    no_class: str = "InvalidStorageClass"


AWS = Dialect("aws", region="eu-central-1", moves="301", deletes_many="md5", trailers=True)
GCS = Dialect(
    "gcs",
    other_regions=frozenset("*"),
    deletes_many="501",
    once="ignored",
    checksum="ignored",
    url_keys="plain",
    classes=frozenset({"STANDARD", "NEARLINE"}),
    no_class="InvalidArgument",
)
MINIO_OLD = Dialect(
    "minio-old",
    deletes_many="md5",
    once="ignored",
    checksum="ignored",
    max_keys=250,
    metadata_case="title",
    classes=frozenset({"STANDARD", "REDUCED_REDUNDANCY"}),
)
R2 = Dialect("r2", region="auto", other_regions=frozenset({"us-east-1"}), url_keys="untold")
CEPH = Dialect(
    "ceph",
    region="default",
    other_regions=frozenset("*"),
    deletes_many="405",
    once="refused",
    checksum="refused",
    starts_after=False,
    heads_tell_length=False,
    etags=False,
    times_in_lists=False,
    no_class="InvalidRequest",
)
DIALECTS = (AWS, GCS, MINIO_OLD, R2, CEPH)


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, code: str, message: str = "", **more: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message or code
        self.headers = {name: more.pop(name) for name in list(more) if name == name.lower()}
        self.fields = more


@dataclass
class Stored:
    """An object."""

    data: bytes
    content_type: str
    metadata: dict[str, str]
    storage_class: str = "STANDARD"
    at: float = field(default_factory=time.time)

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data, usedforsecurity=False).hexdigest()}"'


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Keys:
    """What may sign: `token` has to come along, `ends` is when it stops (seconds since 1970)."""

    secret: str
    token: str | None = None
    ends: float | None = None


@dataclass
class StrictS3:
    """The server's state; tests change it as they like."""

    dialect: Dialect
    bucket: str = BUCKET
    exists: bool = True
    port: int = 0
    ca: Path = Path()
    keys: dict[str, Keys] = field(default_factory=lambda: {ACCESS: Keys(SECRET)})
    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, tuple[str, Stored, dict[int, bytes]]] = field(default_factory=dict)
    requests: list[Asked] = field(default_factory=list)
    clock_ahead: float = 0.0
    """Seconds by which its clock is ahead of this machine's."""
    largest: int = 200 * 1024 * 1024
    answer_deletes: dict[str, str] = field(default_factory=dict)
    """Keys that DeleteObjects answers with an error, and its code."""
    cut: int | None = None
    """Bytes of a body after which it hangs up."""
    _faults: list[tuple[Callable[[Asked], bool], Refused]] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def now(self) -> float:
        return time.time() + self.clock_ahead

    def fail(
        self,
        status: int,
        code: str,
        message: str = "",
        *,
        times: int = 1,
        when: Callable[[Asked], bool] = lambda _asked: True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next *times* requests that *when* is true of with this error."""
        self._faults += [(when, Refused(status, code, message, **(headers or {})))] * times

    def reset(self, dialect: Dialect) -> None:
        """As it was at first, without objects."""
        with self._lock:
            self.dialect, self.exists, self.clock_ahead = dialect, True, 0.0
            self.keys, self.cut, self.answer_deletes = {ACCESS: Keys(SECRET)}, None, {}
            for kept in (self.objects, self.uploads, self.requests, self._faults):
                kept.clear()

    def asked(self, method: str, **query: str) -> list[Asked]:
        """The requests of this method whose query has these."""
        return [
            one
            for one in self.requests
            if one.method == method and all(one.query.get(k) == v for k, v in query.items())
        ]

    def take(self, asked: Asked) -> Refused | None:
        with self._lock:
            self.requests.append(asked)
            for place, (when, refused) in enumerate(self._faults):
                if when(asked):
                    del self._faults[place]
                    return refused
        return None


@contextmanager
def strict_s3(dialect: Dialect, folder: Path, **certificate: Any) -> Iterator[StrictS3]:
    """A server of this *dialect*; its *certificate* (see `Certificates`) is made in *folder*."""
    state = StrictS3(dialect)

    class Handler(_Handler):
        store = state

    certificates = Certificates(folder, **certificate)
    state.ca = certificates.ca
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = certificates.context().wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: StrictS3
    timeout = 30

    def log_message(self, format: str, *args: object) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(self.store.now(), usegmt=True)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ssl.SSLError, ConnectionError, TimeoutError):
            self.close_connection = True

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, unquote(parts.path), query, headers)
        try:
            body = self._body(headers)
            fault = self.store.take(asked)
            if fault is not None:
                raise fault
            self._signed(asked, parts.path, body)
            self._answer(asked, body)
        except Refused as refused:
            self._refuse(refused)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 (http.server's names)

    def _body(self, headers: dict[str, str]) -> bytes:
        encoding = headers.get("content-encoding", "")
        if "chunked" in headers.get("transfer-encoding", ""):
            self._read_pieces()  # else the client is cut off before it hears why
            if not ("aws-chunked" in encoding and self.store.dialect.trailers):
                raise Refused(411, "MissingContentLength")
            raise Refused(500, "InternalError", "these tests send no body in pieces")
        size = int(headers.get("content-length") or 0)
        if size > self.store.largest:
            self.close_connection = True
            raise Refused(400, "EntityTooLarge")
        body = self.rfile.read(size)
        if "aws-chunked" in encoding or "x-amz-trailer" in headers:
            if not self.store.dialect.trailers:
                raise Refused(400, "InvalidArgument", "aws-chunked is not taken")
            raise Refused(500, "InternalError", "these tests send no body in pieces")
        return body

    def _read_pieces(self) -> None:
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    # Signatures.

    def _signed(self, asked: Asked, raw_path: str, body: bytes) -> None:
        if "X-Amz-Signature" in asked.query:
            self._link(asked, raw_path)
            return
        said = asked.headers.get("authorization", "")
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
            said,
        )
        if not found:
            raise Refused(403, "AccessDenied", "no signature")
        stamp = asked.headers.get("x-amz-date", "")
        if abs(_seconds(stamp) - self.store.now()) > SKEW:
            raise Refused(403, "RequestTimeTooSkewed")
        digest = asked.headers.get("x-amz-content-sha256", "")
        self._check(found[1], found[2], found[3], stamp, asked, raw_path, digest)
        if digest not in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()):
            raise Refused(400, "XAmzContentSHA256Mismatch")
        given = asked.headers.get("content-md5")
        if given and given != _md5(body):
            raise Refused(400, "BadDigest")

    def _link(self, asked: Asked, raw_path: str) -> None:
        query = asked.query
        lasts = int(query.get("X-Amz-Expires", "0"))
        if not 1 <= lasts <= WEEK:
            raise Refused(400, "AuthorizationQueryParametersError", "X-Amz-Expires")
        begins = _seconds(query["X-Amz-Date"])
        if not begins - SKEW <= self.store.now() <= begins + lasts:
            raise Refused(403, "AccessDenied", "Request has expired")
        self._check(
            query["X-Amz-Credential"],
            query["X-Amz-SignedHeaders"],
            query["X-Amz-Signature"],
            query["X-Amz-Date"],
            asked,
            raw_path,
            "UNSIGNED-PAYLOAD",
        )

    def _check(
        self,
        credential: str,
        names: str,
        signature: str,
        stamp: str,
        asked: Asked,
        raw_path: str,
        digest: str,
    ) -> None:
        access, day, region, service, _ = credential.rsplit("/", 4)
        keys = self.store.keys.get(access)
        if keys is None:
            raise Refused(403, "InvalidAccessKeyId")
        linked = "X-Amz-Signature" in asked.query
        token = (
            asked.query.get("X-Amz-Security-Token")
            if linked
            else asked.headers.get("x-amz-security-token")
        )
        if keys.token and token is None:
            raise Refused(403, "InvalidAccessKeyId")  # as AWS: such a key is none without its token
        if token != keys.token:
            raise Refused(400, "InvalidToken")
        self._in_region(region)
        signed = names.split(";")
        unsigned = {n for n in asked.headers if n.startswith("x-amz-")} - set(signed)
        if "host" not in signed or unsigned:
            raise Refused(403, "AccessDenied", f"headers that are not signed: {sorted(unsigned)}")
        headers = "".join(
            f"{name}:{' '.join(asked.headers.get(name, '').split())}\n" for name in signed
        )
        query = "&".join(
            sorted(
                f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}"
                for k, v in asked.query.items()
                if k != "X-Amz-Signature"
            )
        )
        canonical = f"{asked.method}\n{raw_path}\n{query}\n{headers}\n{names}\n{digest}"
        scope = f"{day}/{region}/{service}/aws4_request"
        to_sign = "\n".join(
            ("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest())
        )
        key = f"AWS4{keys.secret}".encode()
        for part in (day, region, service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        right = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
        if not hmac.compare_digest(right, signature):
            raise Refused(403, "SignatureDoesNotMatch")
        if keys.ends is not None and self.store.now() > keys.ends:
            raise Refused(400, "ExpiredToken")

    def _in_region(self, region: str) -> None:
        dialect = self.store.dialect
        if region == dialect.region or dialect.other_regions & {"*", region}:
            return
        if dialect.moves == "301":
            raise Refused(
                301,
                "PermanentRedirect",
                Endpoint=f"{self.store.bucket}.s3.{dialect.region}.amazonaws.com",
                **{"x-amz-bucket-region": dialect.region},
            )
        raise Refused(400, "AuthorizationHeaderMalformed", Region=dialect.region)

    # Requests.

    def _answer(self, asked: Asked, body: bytes) -> None:
        bucket, _, key = asked.path.lstrip("/").partition("/")
        store = self.store
        if bucket != store.bucket or not store.exists:
            if asked.method == "PUT" and not key and bucket == store.bucket:
                store.exists = True
                return self._say(200)
            raise Refused(404, "NoSuchBucket")
        with store._lock:
            match asked.method, bool(key):
                case "HEAD", False:
                    self._say(200, headers={"x-amz-bucket-region": store.dialect.region})
                case "PUT", False:
                    raise Refused(409, "BucketAlreadyOwnedByYou")
                case "GET", False:
                    self._list(asked.query)
                case "POST", False if "delete" in asked.query:
                    self._delete_many(asked, body)
                case "PUT", True:
                    self._put(key, asked, body)
                case (("GET" | "HEAD"), True):
                    self._get(key, asked)
                case "DELETE", True:
                    if "uploadId" in asked.query:
                        store.uploads.pop(asked.query["uploadId"], None)
                    else:
                        store.objects.pop(key, None)
                    self._say(204)
                case "POST", True:
                    self._multipart(key, asked, body)
                case _:
                    raise Refused(405, "MethodNotAllowed")
        return None

    def _put(self, key: str, asked: Asked, body: bytes) -> None:
        store, headers = self.store, asked.headers
        if "content-length" not in headers:
            raise Refused(411, "MissingContentLength")
        if "uploadId" in asked.query:
            store.uploads[asked.query["uploadId"]][2][int(asked.query["partNumber"])] = body
            return self._say(200, headers={"ETag": f'"{hashlib.md5(body).hexdigest()}"'})
        if (source := headers.get("x-amz-copy-source")) is not None:
            return self._copy(key, unquote(source), headers)
        if "if-none-match" in headers:
            if store.dialect.once == "refused":
                raise Refused(501, "NotImplemented", "If-None-Match")
            if store.dialect.once == "honoured" and key in store.objects:
                raise Refused(412, "PreconditionFailed")
        for name, value in headers.items():
            if name.startswith("x-amz-checksum-") or name == "x-amz-sdk-checksum-algorithm":
                if store.dialect.checksum == "refused":
                    raise Refused(400, "InvalidArgument", f"Unsupported header {name!r}")
                right = base64.b64encode(hashlib.sha256(body).digest()).decode()
                honoured = store.dialect.checksum == "honoured"
                if name == "x-amz-checksum-sha256" and honoured and value != right:
                    raise Refused(400, "BadDigest")
        made = Stored(body, headers.get("content-type", ""), _metadata(headers))
        made.storage_class = self._class(headers)
        store.objects[key] = made
        return self._say(200, headers=self._etag(made))

    def _class(self, headers: dict[str, str]) -> str:
        asked = headers.get("x-amz-storage-class", "STANDARD")
        if asked not in self.store.dialect.classes:
            raise Refused(400, self.store.dialect.no_class)
        return asked

    def _copy(self, key: str, source: str, headers: dict[str, str]) -> None:
        found = self.store.objects.get(source.lstrip("/").removeprefix(f"{self.store.bucket}/"))
        if found is None:
            raise Refused(404, "NoSuchKey")
        made = replace(found, at=time.time(), storage_class=self._class(headers))
        if headers.get("x-amz-metadata-directive") == "REPLACE":
            made.metadata = _metadata(headers)
            made.content_type = headers.get("content-type", "")
        self.store.objects[key] = made
        etag = f"<ETag>{escape(made.etag)}</ETag>" if self.store.dialect.etags else ""
        self._say(200, f"<CopyObjectResult>{etag}</CopyObjectResult>".encode())

    def _get(self, key: str, asked: Asked) -> None:
        store = self.store
        found = store.objects.get(key)
        if found is None:
            raise Refused(404, "NoSuchKey")
        if found.storage_class == "GLACIER" and asked.method == "GET":
            raise Refused(403, "InvalidObjectState")
        title = store.dialect.metadata_case == "title"
        headers = {
            "Content-Type": found.content_type,
            "Last-Modified": formatdate(found.at, usegmt=True),
            **self._etag(found),
            **{
                f"X-Amz-Meta-{name.title() if title else name}": value
                for name, value in found.metadata.items()
            },
        }
        if found.storage_class != "STANDARD":
            headers["x-amz-storage-class"] = found.storage_class
        data, status = found.data, 200
        if told := re.fullmatch(r"bytes=(\d+)-(\d+)", asked.headers.get("range", "")):
            if int(told[1]) >= len(data):
                raise Refused(416, "InvalidRange")
            headers["Content-Range"] = f"bytes {told[1]}-{told[2]}/{len(data)}"
            data, status = data[int(told[1]) : int(told[2]) + 1], 206
        self._say(status, data, headers, length=store.dialect.heads_tell_length)

    def _etag(self, stored: Stored) -> dict[str, str]:
        return {"ETag": stored.etag} if self.store.dialect.etags else {}

    def _list(self, query: dict[str, str]) -> None:
        dialect = self.store.dialect
        v2 = query.get("list-type") == "2"
        if v2 and not dialect.lists_v2:
            raise Refused(501, "NotImplemented")
        after = query.get("marker", "")
        if v2:
            after = query.get("start-after", "") if dialect.starts_after else ""
            if token := query.get("continuation-token"):
                after = base64.b64decode(token).decode()
        limit = min(int(query.get("max-keys", 1000)), dialect.max_keys)
        prefix = query.get("prefix", "")
        keys = sorted(
            (k for k in self.store.objects if k.startswith(prefix) and k.encode() > after.encode()),
            key=str.encode,
        )
        page, more = keys[:limit], len(keys) > limit
        in_url_form = query.get("encoding-type") == "url" and dialect.url_keys != "plain"
        said = "<EncodingType>url</EncodingType>" if dialect.url_keys == "told" else ""
        parts = [f"<IsTruncated>{str(more).lower()}</IsTruncated>", said if in_url_form else ""]
        if more:
            token = base64.b64encode(page[-1].encode()).decode()
            parts.append(
                f"<NextContinuationToken>{token}</NextContinuationToken>"
                if v2
                else f"<NextMarker>{escape(page[-1])}</NextMarker>"
            )
        for key in page:
            item = self.store.objects[key]
            shown = quote(key, safe="") if in_url_form else escape(key)
            at = datetime.fromtimestamp(item.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            parts.append(
                f"<Contents><Key>{shown}</Key><Size>{len(item.data)}</Size>"
                + (f"<LastModified>{at}</LastModified>" if dialect.times_in_lists else "")
                + "</Contents>"
            )
        self._say(200, f"<ListBucketResult>{''.join(parts)}</ListBucketResult>".encode())

    def _delete_many(self, asked: Asked, body: bytes) -> None:
        kind = self.store.dialect.deletes_many
        if kind == "501":
            raise Refused(501, "NotImplemented")
        if kind == "405":
            raise Refused(405, "MethodNotAllowed")
        if kind == "md5" and "content-md5" not in asked.headers:
            raise Refused(400, "MissingContentMD5")
        errors = ""
        for told in re.findall(r"<Key>([^<]+)</Key>", body.decode()):
            if code := self.store.answer_deletes.get(_unescape(told)):
                errors += f"<Error><Key>{told}</Key><Code>{code}</Code></Error>"
            else:
                self.store.objects.pop(_unescape(told), None)
        self._say(200, f"<DeleteResult>{errors}</DeleteResult>".encode())

    def _multipart(self, key: str, asked: Asked, body: bytes) -> None:
        uploads = self.store.uploads
        if "uploads" in asked.query:
            id = f"upload-{len(uploads)}"
            headers = asked.headers
            made = Stored(b"", headers.get("content-type", ""), _metadata(headers))
            uploads[id] = (key, made, {})
            said = (
                f"<InitiateMultipartUploadResult><Bucket>{self.store.bucket}</Bucket>"
                f"<Key>{escape(key)}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            )
            return self._say(200, said.encode())
        if "uploadId" not in asked.query:
            raise Refused(405, "MethodNotAllowed")
        _, made, parts = uploads.pop(asked.query["uploadId"])
        numbers = [int(n) for n in re.findall(r"<PartNumber>(\d+)<", body.decode())]
        made.data = b"".join(parts[number] for number in numbers)
        self.store.objects[key] = made
        said = f"<CompleteMultipartUploadResult><Key>{escape(key)}</Key></CompleteMultipartUploadResult>"
        return self._say(200, said.encode())

    # Answers.

    def _say(
        self,
        status: int,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        length: bool = True,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        head = self.command == "HEAD"
        if length or not head:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not head:
            self.wfile.write(body[: self.store.cut])
        if self.store.cut is not None and len(body) > self.store.cut:
            self.close_connection = True

    def _refuse(self, refused: Refused) -> None:
        fields = "".join(f"<{k}>{escape(v)}</{k}>" for k, v in refused.fields.items())
        said = (
            f"<?xml version='1.0'?><Error><Code>{refused.code}</Code>"
            f"<Message>{escape(refused.message)}</Message>{fields}</Error>"
        )
        self._say(refused.status, said.encode(), refused.headers)


def _metadata(headers: dict[str, str]) -> dict[str, str]:
    prefix = "x-amz-meta-"
    return {n.removeprefix(prefix): v for n, v in headers.items() if n.startswith(prefix)}


def _seconds(stamp: str) -> float:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Refused(403, "AccessDenied", "x-amz-date") from None


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _unescape(text: str) -> str:
    for written, char in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(written, char)
    return text


def temporary_keys(seconds: float) -> dict[str, Any]:
    """What `StrictS3.keys` takes and what `S3Store` is given, for keys that end in *seconds*."""
    ends = datetime.now(UTC) + timedelta(seconds=seconds)
    return {
        "server": {"ASIATEMPORARY": Keys("temporary-secret", "session-token", ends.timestamp())},
        "client": {
            "access_key": "ASIATEMPORARY",
            "secret_key": "temporary-secret",
            "session_token": "session-token",
            "keys_end": ends,
        },
    }
