"""A certificate authority and a server's certificate for localhost, made for a test."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class Certificates:
    """`ca` is the authority's certificate (PEM), which a client is to trust."""

    def __init__(
        self,
        folder: Path,
        *,
        host: str = "localhost",
        lasts: timedelta = timedelta(days=2),
    ) -> None:
        """For *host*; it *lasts* since yesterday."""
        folder.mkdir(parents=True, exist_ok=True)
        self.ca = folder / "ca.pem"
        self._pair = folder / "server.pem"
        issuer = _name("a test's authority")
        ca_key, key = (
            ec.generate_private_key(ec.SECP256R1()),
            ec.generate_private_key(ec.SECP256R1()),
        )
        begins = datetime.now(UTC) - timedelta(days=1)

        def certificate(
            subject: x509.Name, public: ec.EllipticCurvePublicKey
        ) -> x509.CertificateBuilder:
            return (
                x509.CertificateBuilder()
                .subject_name(subject)
                .issuer_name(issuer)
                .public_key(public)
                .serial_number(x509.random_serial_number())
                .not_valid_before(begins)
                .not_valid_after(begins + lasts)
                .add_extension(
                    x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False
                )
            )

        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        ca = (
            certificate(issuer, ca_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), False)
            .sign(ca_key, hashes.SHA256())
        )
        named = x509.SubjectAlternativeName([x509.DNSName(host)])
        own = (
            certificate(_name(host), key.public_key())
            .add_extension(named, critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        self.ca.write_bytes(ca.public_bytes(Encoding.PEM))
        self._pair.write_bytes(
            own.public_bytes(Encoding.PEM)
            + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )

    def context(self) -> ssl.SSLContext:
        """For a server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._pair)
        return context


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
