"""What closes the ports behind the embedded store's S3 to everybody else on this machine.

SeaweedFS's parts talk to one another over loopback ports that ask for nothing by default: any program of
any user could read, write and delete there, and so could a web page in a browser. Its parts are one process
here, so nobody else needs to be let in: the keys are made anew at each start and are in no other hands.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

FLAGS = (
    # The filer and the master answer HTTP with 404: their parts use gRPC, and a link to the master's
    # port in any web page could have deleted the whole bucket.
    "-disableHttp",
    # No page of another site may read an answer. Browsers open nothing at port 1, so nobody is it.
    *("-filer.allowedOrigins=http://127.0.0.1:1", "-s3.allowedOrigins=http://127.0.0.1:1"),
)
TOKENS = ("signing", "signing.read", "filer_signing", "filer_signing.read")
"""What a caller has to sign for: writes and reads at the volumes' port, and at the filer's."""
PARTS = ("master", "volume", "filer", "s3", "admin", "worker", "client")
"""Who shows a certificate over gRPC, and asks for one."""
_CA, _CERTIFICATE, _KEY = "grpc-ca.pem", "grpc.pem", "grpc.key"
_LASTS = dt.timedelta(days=3650)
"""It is made anew at each start, so this is how long one start may last."""


def write(folder: Path) -> None:
    """Write `security.toml` and the certificate into *folder*, the server's working directory (0600).

    The keys are in files and not in its environment, which a crash report or `ps e` would show.
    """
    ca, certificate, key = _certificate()
    lines = [f'[jwt.{name}]\nkey = "{secrets.token_hex(32)}"\n' for name in TOKENS]
    lines.append(f'[grpc]\nca = "{_CA}"\n')
    lines += [f'[grpc.{part}]\ncert = "{_CERTIFICATE}"\nkey = "{_KEY}"\n' for part in PARTS]
    for name, content in (
        (_CA, ca),
        (_CERTIFICATE, certificate),
        (_KEY, key),
        ("security.toml", "".join(lines).encode()),
    ):
        _write_private(folder / name, content)


def _write_private(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _certificate() -> tuple[bytes, bytes, bytes]:
    """A certificate authority of one certificate, that certificate and its key, as PEM."""
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "safelight embedded store")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "weed")])
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    begins = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)

    def builder(name: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + _LASTS)
        )

    ca = builder(issuer, ca_key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    own = builder(subject, key.public_key()).add_extension(
        x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
    )
    return (
        ca.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.PEM),
        own.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
