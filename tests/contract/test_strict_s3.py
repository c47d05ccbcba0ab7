"""The tests' own strict store refuses what real stores refuse: shown with boto3 as it comes."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.strict_s3 import (
    ACCESS,
    AWS,
    GCS,
    MINIO_OLD,
    SECRET,
    Dialect,
    StrictS3,
    strict_s3,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tls"


def client(server: StrictS3, **more: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        verify=str(server.ca),
        **{
            "aws_access_key_id": ACCESS,
            "aws_secret_access_key": SECRET,
            "region_name": server.dialect.region,
            **more,
        },
    )


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return str(error.value.response["Error"]["Code"])


@pytest.mark.parametrize("dialect", [GCS, MINIO_OLD], ids=lambda one: one.name)
def test_a_body_with_a_checksum_behind_it_is_refused(folder: Path, dialect: Dialect) -> None:
    """As boto3 sends every PUT over https unless it is told not to."""
    with strict_s3(dialect, folder) as server:
        said = refused(client(server).put_object, Bucket="acme", Key="a", Body=b"1")
        assert said in ("MissingContentLength", "InvalidArgument")
        assert server.objects == {}


def test_many_deletes_a_request_are_refused_where_they_are_not_had(folder: Path) -> None:
    many = {"Bucket": "acme", "Delete": {"Objects": [{"Key": "a"}]}}
    with strict_s3(GCS, folder) as server:
        assert refused(client(server).delete_objects, **many) == "NotImplemented"
    with strict_s3(MINIO_OLD, folder) as server:
        assert refused(client(server).delete_objects, **many) == "MissingContentMD5"


def test_another_key_secret_token_or_time_is_refused(folder: Path) -> None:
    with strict_s3(AWS, folder) as server:
        for more, code in (
            ({"aws_secret_access_key": "x"}, "SignatureDoesNotMatch"),
            ({"aws_access_key_id": "x"}, "InvalidAccessKeyId"),
            ({"aws_session_token": "x"}, "InvalidToken"),
        ):
            assert refused(client(server, **more).list_objects_v2, Bucket="acme") == code
        server.clock_ahead = 1000
        assert refused(client(server).list_objects_v2, Bucket="acme") == "RequestTimeTooSkewed"


@pytest.fixture
def plain(folder: Path) -> Iterator[tuple[StrictS3, http.client.HTTPSConnection]]:
    with strict_s3(AWS, folder) as server:
        trust = ssl.create_default_context(cafile=str(server.ca))
        connection = http.client.HTTPSConnection(
            "localhost", server.port, context=trust, timeout=10
        )
        yield server, connection
        connection.close()


def test_without_a_signature_and_without_a_length_nothing_is_taken(
    plain: tuple[StrictS3, http.client.HTTPSConnection],
) -> None:
    server, connection = plain
    connection.request("PUT", "/acme/a", b"1")
    reply = connection.getresponse()
    assert (reply.status, b"AccessDenied" in reply.read()) == (403, True)
    in_pieces = {"Transfer-Encoding": "chunked"}
    connection.request("PUT", "/acme/a", iter([b"1"]), in_pieces, encode_chunked=True)
    reply = connection.getresponse()
    assert (reply.status, b"MissingContentLength" in reply.read()) == (411, True)
    assert server.objects == {}
