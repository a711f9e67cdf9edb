# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates generated for a test, and real TLS servers that present them."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PEM = serialization.Encoding.PEM


def name_of(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _usage(ca: bool) -> x509.KeyUsage:
    unused = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **unused)


class Identity:
    """A certificate and its key. Self-signed without an issuer."""

    def __init__(self, name: str, issuer: Identity | None = None, *, days: float = 90, since: float = 365, names: tuple[str, ...] = ()) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        signer = issuer or self
        now = datetime.now(timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name_of(name))
            .issuer_name(name_of(name) if issuer is None else issuer.certificate.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=since))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
            # Python 3.13 requires these extensions.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
            .add_extension(_usage(ca=not names), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([self._general(one) for one in names]), critical=False)
        self.certificate = builder.sign(signer.key, hashes.SHA256())

    @staticmethod
    def _general(name: str) -> Any:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@contextmanager
def serving(directory: Path, own: Identity, *sent: Identity, before: list[tuple[bytes, bytes]] | None = None) -> Iterator[int]:
    """Run a server that sends these certificates; yields its port. `before`: a plaintext dialogue of (received, sent) before the handshake."""
    path = directory / f"{id(own)}.pem"
    path.write_bytes(own.key_pem + own.pem + b"".join(one.pem for one in sent))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            try:
                connection.settimeout(5)
                for wanted, answer in before or []:
                    if wanted and connection.recv(1024) != wanted:
                        raise OSError
                    connection.sendall(answer)
                with context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(1)
            except OSError:
                connection.close()  # the client rejected the certificate

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
