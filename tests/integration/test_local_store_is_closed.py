"""The embedded store's inner ports: closed to other programs and to web pages, S3 works all the same."""

from __future__ import annotations

import dataclasses
import http.client
import json
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from safelight.local import places, seaweed_guard
from safelight.local.ports import Ports
from safelight.local.process import Service
from safelight.local.seaweed import PORTS, TWIN, Seaweed, choose_ports
from tests.support.servers import Server

PAGE = {"Origin": "https://evil.example", "Accept": "application/json"}
H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
SECRET = "s" * 32


@pytest.fixture
def made(request: pytest.FixtureRequest) -> Iterator[Seaweed]:
    with tempfile.TemporaryDirectory(prefix="sl-", dir="/tmp") as name:
        folder = Path(name)
        ports = choose_ports(Ports(folder / "ports.json"))
        sockets = places.socket_folder(folder / "run")
        yield Seaweed(folder / "seaweed", sockets, ports, "tests", SECRET)


def client(store: Seaweed) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=store.url,
        aws_access_key_id="tests",
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )


def ask(port: int, method: str, path: str, **more: Any) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, more.get("body"), {**PAGE, **more.get("headers", {})})
        reply = connection.getresponse()
        headers = {name.lower(): value for name, value in reply.getheaders()}
        return reply.status, headers, reply.read()
    finally:
        connection.close()


def test_no_page_and_no_other_program_reads_writes_or_deletes_by_the_inner_ports(
    made: Seaweed,
) -> None:
    server = Server(made.service(), made.folder.parent / "log")
    server.start()
    try:
        s3 = client(made)
        s3.put_object(Bucket="safelight", Key="photos/mara", Body=b"face" * 2_000_000)
        s3.put_object(Bucket="safelight", Key="photos/small", Body=b"face")
        for port, method, path in (
            ("filer", "GET", "/buckets/safelight/photos/?limit=3"),
            ("filer", "GET", "/buckets/safelight/photos/small"),
            ("filer", "PUT", "/buckets/safelight/photos/new"),
            ("filer", "DELETE", "/buckets/safelight/photos/small"),
            ("filer", "DELETE", "/buckets/safelight?recursive=true"),
            ("filer", "POST", "/.tus/new"),
            ("master", "GET", "/dir/assign"),
            ("master", "GET", "/dir/lookup?volumeId=1"),
            ("master", "POST", "/submit"),
            # One image in a page, or one link: it deleted every object of the bucket.
            ("master", "GET", "/col/delete?collection=safelight"),
            ("master", "GET", "/vol/grow?count=1"),
            ("volume", "GET", "/1,01637037d6"),
            ("volume", "POST", "/1,01637037d6"),
            ("volume", "DELETE", "/1,01637037d6"),
            ("s3", "GET", "/safelight/photos/small"),
            ("s3", "GET", "/safelight?list-type=2"),
        ):
            status, _, said = ask(made.ports[port], method, path, body=b"x")
            assert status in (401, 403, 404, 405), (port, method, path, status, said[:200])
        assert {item["Key"] for item in s3.list_objects_v2(Bucket="safelight")["Contents"]} == {
            "photos/mara",
            "photos/small",
        }
        assert len(s3.get_object(Bucket="safelight", Key="photos/mara")["Body"].read()) == 8_000_000
        preflight = {"Access-Control-Request-Method": "DELETE"}
        for port in ("filer", "s3"):
            for method in ("OPTIONS", "GET"):
                _, headers, _ = ask(
                    made.ports[port], method, "/safelight/photos/small", headers=preflight
                )
                assert "access-control-allow-origin" not in headers, (port, method, headers)
    finally:
        server.stop()


def test_no_program_without_our_certificate_speaks_to_the_parts(made: Seaweed) -> None:
    """Over gRPC the filer lists and deletes; a plain client is told nothing, not even a greeting."""
    server = Server(made.service(), made.folder.parent / "log")
    server.start()
    try:
        for name in PORTS:
            with socket.create_connection(
                ("127.0.0.1", made.ports[name] + TWIN), timeout=10
            ) as plain:
                plain.sendall(H2_PREFACE)
                try:
                    said = plain.recv(100)
                except ConnectionResetError:
                    said = b""
                # TLS answers with an alert (0x15) or hangs up; a gRPC server greets with its SETTINGS.
                assert said[:1] in (b"", b"\x15"), (name, said)
        for file in ("security.toml", "grpc.key", "s3.json"):
            assert stat.S_IMODE((made.folder / file).stat().st_mode) == 0o600
        keys = (made.folder / "security.toml").read_text()
    finally:
        server.stop()
    seaweed_guard.write(made.folder)
    assert (made.folder / "security.toml").read_text() != keys  # new ones at each start


def test_a_store_made_before_its_ports_were_closed_keeps_its_objects(made: Seaweed) -> None:
    now = made.service()
    open_flags = tuple(flag for flag in now.argv if flag not in seaweed_guard.FLAGS)

    def prepare() -> None:
        made.prepare()
        (made.folder / "security.toml").unlink()

    before: Service = dataclasses.replace(now, argv=open_flags, prepare=prepare)
    for service, first in ((before, True), (now, False)):
        server = Server(service, made.folder.parent / "log")
        server.start()
        try:
            s3 = client(made)
            if first:
                s3.put_object(Bucket="safelight", Key="photos/old", Body=b"old" * 3_000_000)
                status, _, said = ask(made.ports["filer"], "GET", "/buckets/safelight/photos/")
                assert (status, len(json.loads(said)["Entries"])) == (200, 1)  # it was open
            body = s3.get_object(Bucket="safelight", Key="photos/old")["Body"].read()
            assert len(body) == 9_000_000
        finally:
            server.stop()
