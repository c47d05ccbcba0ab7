"""The S3 client's whole contract, on SeaweedFS over http and on strict stores of several kinds over TLS."""

from __future__ import annotations

import hashlib
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from boto3.s3.transfer import TransferConfig

from safelight.clients.s3 import S3Store
from safelight.domain.errors import ObjectMissing, ObjectTooLarge, Retryable, StoreRefused
from safelight.domain.stored import UploadLink
from safelight.local import places
from safelight.local.ports import Ports
from safelight.local.seaweed import Seaweed, choose_ports
from tests.support.servers import Server
from tests.support.strict_s3 import ACCESS, DIALECTS, SECRET, StrictS3, strict_s3

KINDS = ("seaweedfs", *(dialect.name for dialect in DIALECTS))
ONCE = {"seaweedfs", "aws", "r2"}
"""Stores that do not put an object over another where they are asked not to."""


@dataclass
class Place:
    """A store, our client of it, and its server where that is a strict one."""

    kind: str
    store: S3Store
    server: StrictS3 | None
    trust: ssl.SSLContext | None

    def send(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """A request as anybody makes it, without keys."""
        request = urllib.request.Request(url, body, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, context=self.trust, timeout=20) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read()

    def put(self, link: UploadLink, body: bytes, **headers: str) -> int:
        return self.send(link.url, "PUT", body, {**link.headers, **headers})[0]


def opened(kind: str, server: StrictS3, **more: Any) -> Place:
    store = S3Store(
        server.bucket,
        **{
            "endpoint_url": server.url,
            "access_key": ACCESS,
            "secret_key": SECRET,
            "region": server.dialect.region,
            "ca_bundle": server.ca,
            **more,
        },
    )
    return Place(kind, store, server, ssl.create_default_context(cafile=str(server.ca)))


@pytest.fixture(scope="module")
def seaweedfs() -> Iterator[S3Store]:
    with tempfile.TemporaryDirectory(prefix="sl-", dir="/tmp") as name:
        folder = Path(name)
        ports = choose_ports(Ports(folder / "ports.json"))
        made = Seaweed(folder / "s", places.socket_folder(folder / "run"), ports, "tests", "t" * 32)
        server = Server(made.service(), folder / "log")
        server.start()
        store = S3Store(made.bucket, endpoint_url=made.url, access_key="tests", secret_key="t" * 32)
        yield store
        store.close()
        server.stop()


@pytest.fixture(scope="module")
def every_place(
    seaweedfs: S3Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Place]]:
    with ExitStack() as stack:
        found = {"seaweedfs": Place("seaweedfs", seaweedfs, None, None)}
        for dialect in DIALECTS:
            server = stack.enter_context(strict_s3(dialect, tmp_path_factory.mktemp("tls")))
            found[dialect.name] = opened(dialect.name, server)
            stack.callback(found[dialect.name].store.close)
        yield found


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, every_place: dict[str, Place]) -> Iterator[Place]:
    found = every_place[request.param]
    yield found
    if found.server is not None:
        found.server.reset(next(one for one in DIALECTS if one.name == found.kind))


@pytest.fixture
def key() -> str:
    return f"test/{uuid4()}"


def test_what_is_put_is_got_back_with_its_size_and_sha256(
    place: Place, key: str, tmp_path: Path
) -> None:
    data = b"darkroom" * 1000
    put = place.store.put_bytes(key, data, "text/plain")
    sha256 = hashlib.sha256(data).hexdigest()
    assert (put.bytes, put.sha256) == (8000, sha256)
    there = place.store.head(key)
    assert there is not None
    assert (there.key, there.bytes, there.sha256) == (key, 8000, sha256)
    got = place.store.get_file(key, tmp_path / "got")
    assert (got.bytes, got.sha256) == (8000, sha256)
    assert got.etag == there.etag
    assert place.store.get_bytes(key) == data
    assert b"".join(place.store.stream(key)) == data
    assert place.store.put_bytes(key, b"", "text/plain").bytes == 0
    assert place.store.get_bytes(key) == b""
    empty = place.store.head(key)
    assert empty is not None
    assert empty.bytes == 0


def test_another_object_under_the_key_has_another_etag_where_there_are_any(
    place: Place, key: str, tmp_path: Path
) -> None:
    place.store.put_bytes(key, b"one", "text/plain")
    before = place.store.head(key)
    place.store.put_bytes(key, b"two", "text/plain")
    after = place.store.get_file(key, tmp_path / "x")
    assert before is not None
    if place.kind == "ceph":
        assert (before.etag, after.etag) == (None, None)
    else:
        assert before.etag
        assert after.etag
        assert before.etag != after.etag


def test_an_object_that_is_replaced_keeps_what_it_was(
    place: Place, key: str, tmp_path: Path
) -> None:
    store, path = place.store, tmp_path / "file"
    store.put_bytes(key, b"first", "text/plain")
    first = store.get_file(key, path)
    assert first.before == ()
    for content in (b"second", b"third"):
        was = store.get_file(key, path)
        path.write_bytes(content)
        store.put_file(key, path, "text/plain", before=was.marks())
    found = store.get_file(key, path)
    assert first.sha256 in found.before
    assert hashlib.sha256(b"second").hexdigest() in found.before
    assert found.sha256 not in found.before


def test_a_file_goes_in_and_out_in_pieces(place: Place, key: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 9_000_000)
    place.store.put_file(key, path, "application/octet-stream")
    assert place.store.get_file(key, tmp_path / "out").bytes == 9_000_000


def test_a_large_file_goes_in_several_parts(
    place: Place, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = TransferConfig(
        multipart_threshold=6 << 20, multipart_chunksize=5 << 20, use_threads=False
    )
    monkeypatch.setattr(place.store, "_transfer", small)
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 50_000)
    put = place.store.put_file(key, path, "application/octet-stream")
    got = place.store.get_file(key, tmp_path / "out")
    assert (got.bytes, got.sha256) == (12_800_000, put.sha256)
    there = place.store.head(key)
    assert there is not None
    assert there.sha256 == put.sha256


def test_what_is_not_there_is_said_to_be_missing(place: Place, key: str, tmp_path: Path) -> None:
    assert place.store.head(key) is None
    for call in (
        lambda: place.store.get_bytes(key),
        lambda: place.store.get_file(key, tmp_path / "x"),
        lambda: place.store.copy(key, f"{key}-2"),
        lambda: place.store.move_to_class(key, "STANDARD_IA"),
        lambda: list(place.store.stream(key)),
    ):
        with pytest.raises(ObjectMissing, match=key):
            call()
    place.store.delete([key])  # no error


def test_more_bytes_than_the_limit_are_refused_and_not_written(
    place: Place, key: str, tmp_path: Path
) -> None:
    place.store.put_bytes(key, b"12345", "text/plain")
    path = tmp_path / "got"
    for call in (
        lambda: place.store.get_bytes(key, limit=4),
        lambda: place.store.get_file(key, path, limit=4),
        lambda: list(place.store.stream(key, limit=4)),
    ):
        with pytest.raises(ObjectTooLarge, match="over 4 bytes"):
            call()
    assert not path.exists() or path.stat().st_size <= 4
    assert place.store.get_file(key, path, limit=5).bytes == 5


def test_a_disk_of_ours_that_is_full_is_named_and_passes(place: Place, key: str) -> None:
    place.store.put_bytes(key, b"1" * 5000, "text/plain")
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no disk that is always full")
    with pytest.raises(Retryable, match=r"disk at /dev is full"):
        place.store.get_file(key, full)


def test_what_is_copied_keeps_its_hash(place: Place, key: str) -> None:
    put = place.store.put_bytes(f"{key}/a", b"1", "text/plain")
    place.store.copy(f"{key}/a", f"{key}/b")
    there = place.store.head(f"{key}/b")
    assert there is not None
    assert there.sha256 == put.sha256


def test_lists_are_whole_and_in_byte_order(place: Place, key: str) -> None:
    names = sorted((f"{key}/{n:03d}" for n in range(30)), key=str.encode)
    odd = [f"{key}/Größe +&<>\"' %41.jpg", f"{key}/~z", f"{key}/a b"]
    for name in [*names, *odd]:
        place.store.put_bytes(name, b"1", "text/plain")
    if place.server:
        limited(place.server, max_keys=7)
    expected = sorted([*names, *odd], key=str.encode)
    if (
        place.kind == "r2"
    ):  # keys in URL form, and it does not say so: those with a per cent sign stay
        expected = [name for name in expected if "%" not in name]
        found = [i.key for i in place.store.list(f"{key}/") if "%41" not in i.key]
    else:
        found = [item.key for item in place.store.list(f"{key}/")]
    assert found == expected
    assert list(place.store.list(f"{key}/nothing")) == []


def test_a_page_has_as_many_as_were_asked_for_unless_there_are_no_more(
    place: Place, key: str
) -> None:
    names = [f"{key}/{n:03d}" for n in range(20)]
    for name in names:
        place.store.put_bytes(name, b"1", "text/plain")
    if place.server:
        limited(place.server, max_keys=3)
    assert [item.key for item in place.store.page(f"{key}/004", 10)] == names[5:15]
    mine = [i.key for i in place.store.page(f"{key}/014", 1000) if i.key.startswith(key)]
    assert mine == names[15:]


def test_a_store_with_the_older_list_only_is_listed_by_it(place: Place, key: str) -> None:
    if place.server is None:
        pytest.skip("SeaweedFS has both")
    names = [f"{key}/{n:02d}" for n in range(12)]
    for name in names:
        place.store.put_bytes(name, b"1", "text/plain")
    limited(place.server, lists_v2=False, max_keys=5)
    fresh = opened(place.kind, place.server).store
    assert [item.key for item in fresh.list(f"{key}/")] == names
    assert [item.key for item in fresh.page(names[3], 3)] == names[4:7]
    fresh.close()


def test_a_link_works_for_as_long_as_it_says_and_no_longer(place: Place, key: str) -> None:
    place.store.put_bytes(key, b"pixels", "image/png")
    seconds = 1 if place.server is None else 600
    get = place.store.presign_get(key, seconds)
    put = place.store.presign_put(key, seconds, "image/png")
    if place.server is None:
        time.sleep(2.1)
    else:
        assert place.send(get) == (200, b"pixels")
        place.server.clock_ahead = 700
    assert place.send(get)[0] == 403
    assert place.send(put, "PUT", b"late", {"Content-Type": "image/png"})[0] == 403


def limited(server: StrictS3, **more: Any) -> None:
    server.dialect = replace(server.dialect, **more)


def test_many_are_deleted_and_only_those(place: Place, key: str) -> None:
    names = [f"{key}/{n:04d} &" for n in range(40)]
    for name in names:
        place.store.put_bytes(name, b"1", "text/plain")
    place.store.delete([*names[:35], f"{key}/never"])
    assert [item.key for item in place.store.list(f"{key}/")] == names[35:]
    place.store.delete(names[35:])
    assert list(place.store.list(f"{key}/")) == []
    place.store.delete([])
    if place.kind in ("gcs", "ceph"):
        assert place.server
        assert len(place.server.asked("POST", delete="")) <= 1  # tried once, and remembered


def test_an_object_is_moved_to_a_class_that_the_store_has_and_else_stays(
    place: Place, key: str
) -> None:
    put = place.store.put_bytes(key, b"weights" * 10, "application/octet-stream")
    moved = place.store.move_to_class(key, "STANDARD_IA")
    if place.server:
        assert moved == ("STANDARD_IA" if place.kind in ("aws", "r2", "ceph") else None)
        assert place.store.move_to_class(key, "NO_SUCH_CLASS") == moved
    there = place.store.head(key)
    assert there is not None
    assert (there.bytes, there.sha256) == (70, put.sha256)


def test_links_let_one_object_in_and_out_without_our_keys(place: Place, key: str) -> None:
    url = place.store.presign_put(key, 60, "image/png")
    assert place.send(url, "PUT", b"pixels", {"Content-Type": "image/png"})[0] == 200
    assert place.send(place.store.presign_get(key, 60)) == (200, b"pixels")
    wrong = place.store.presign_get(key, 60).replace(key, f"{key}-other")
    assert place.send(wrong)[0] == 403
    assert place.send(url, "PUT", b"page", {"Content-Type": "text/html"})[0] == 403


def test_an_upload_link_takes_so_many_bytes_and_no_others(place: Place, key: str) -> None:
    link = place.store.upload_link(key, 60, "image/png", bytes=6)
    assert link.seconds == 60
    assert place.put(link, b"pixels and more") == 403
    assert place.put(link, b"pix") == 403
    assert place.put(link, b"<html>", **{"Content-Type": "text/html"}) == 403
    assert place.send(link.url, "GET")[0] == 403
    assert place.send(link.url, "DELETE")[0] == 403
    assert place.put(link, b"pixels", **{"x-amz-acl": "public-read"}) == 403
    assert place.store.head(key) is None
    assert place.put(link, b"pixels") == 200
    assert place.store.get_bytes(key) == b"pixels"


def test_an_upload_link_works_once_where_the_store_knows_of_that(place: Place, key: str) -> None:
    link = place.store.upload_link(key, 60, "image/png", bytes=6)
    assert place.put(link, b"pixels") == 200
    again = place.put(link, b"PIXELS")
    assert again == (412 if place.kind in ONCE else 200)
    assert place.store.get_bytes(key) == (b"pixels" if place.kind in ONCE else b"PIXELS")


def test_an_upload_link_takes_the_content_that_was_said_where_the_store_looks(
    place: Place, key: str
) -> None:
    said = hashlib.sha256(b"pixels").hexdigest()
    link = place.store.upload_link(key, 60, "image/png", bytes=6, sha256=said)
    other = place.put(link, b"PIXELS")
    if place.kind in ONCE:
        assert other == 400
        assert place.store.head(key) is None
    assert place.put(link, b"pixels") == 200


def test_a_bucket_is_made_unless_it_is_there(place: Place) -> None:
    place.store.ensure_bucket()
    if place.server:
        place.server.exists = False
        with pytest.raises(StoreRefused, match="There is no bucket 'acme'"):
            place.store.put_bytes("a", b"1", "text/plain")
        place.store.ensure_bucket()
        place.store.put_bytes("a", b"1", "text/plain")


def test_nothing_is_sent_that_stores_refuse(place: Place, key: str, tmp_path: Path) -> None:
    """No checksum but those S3 requires, no body in pieces, no unsigned body."""
    if place.server is None:
        pytest.skip("SeaweedFS does not tell what it was sent")
    place.store.put_bytes(key, b"1", "text/plain")
    for request in place.server.asked("PUT"):
        told = request.headers
        assert "transfer-encoding" not in told
        assert "content-encoding" not in told
        assert not [
            n for n in told if n.startswith(("x-amz-checksum", "x-amz-sdk", "x-amz-trailer"))
        ]
        assert told["content-md5"]
        assert told["x-amz-content-sha256"] == hashlib.sha256(b"1").hexdigest()


def test_bytes_that_were_damaged_on_the_way_are_not_kept(
    place: Place, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has the sha256 and the MD5 of what was meant."""
    from safelight.clients import s3

    monkeypatch.setattr(s3, "digests", lambda _file: ("0" * 64, "ICy5YqxZB1uWSwcVLSNLcA==", 5))
    with pytest.raises(Retryable, match="damaged"):
        place.store.put_bytes(key, b"12345", "text/plain")
    assert place.store.head(key) is None


CALLS: dict[str, Callable[[S3Store], Any]] = {
    "put": lambda s: s.put_bytes("k", b"1", "text/plain"),
    "get": lambda s: s.get_bytes("k"),
    "head": lambda s: s.head("k"),
    "copy": lambda s: s.copy("k", "l"),
    "list": lambda s: list(s.list("k")),
    "page": lambda s: s.page("k", 10),
    "delete": lambda s: s.delete(["k"]),
    "upload": lambda s: s.upload_link("k", 60, "image/png", bytes=1),
}


def test_a_wrong_key_is_told_from_a_wrong_right(place: Place) -> None:
    wrong = S3Store(
        place.store.bucket,
        endpoint_url=f"http{'s' if place.server else ''}://{place.store.host}",
        access_key=ACCESS if place.server else "tests",
        secret_key="of another",
        region=place.store.region,
        ca_bundle=place.server.ca if place.server else None,
    )
    for call in CALLS.values():
        with pytest.raises(StoreRefused, match="does not take our signature") as refused:
            call(wrong)
        assert "AWS_SECRET_ACCESS_KEY" in str(refused.value)
        assert "of another" not in str(refused.value)
    wrong.close()
