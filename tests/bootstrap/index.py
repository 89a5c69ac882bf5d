"""A package index on the loopback whose certificate a private authority has signed, as a company's proxy signs all."""

from __future__ import annotations

import datetime as dt
import hashlib
import http.server
import ipaddress
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from cryptography.x509 import Certificate, CertificateBuilder


class Authority:
    """A private certificate authority."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Company")])
        own = _unsigned(self._name, self._name, self._key.public_key())
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        own = own.add_extension(_key_usage(), critical=True)
        own = own.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "company.pem"
        self.file.write_bytes(_pem(own.sign(self._key, hashes.SHA256())))
        self._folder = folder

    def server_context(self) -> ssl.SSLContext:
        """For a server at 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        signed = _unsigned(name, self._name, key.public_key()).add_extension(address, critical=False)
        # Python 3.13 and newer ask for it.
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        signed = signed.add_extension(issuer, critical=False)
        file = self._folder / "server.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(private + _pem(signed.sign(self._key, hashes.SHA256())))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _key_usage() -> x509.KeyUsage:
    kinds = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    no = dict.fromkeys((*kinds, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(key_cert_sign=True, crl_sign=True, **no)


def _unsigned(subject: x509.Name, issuer: x509.Name, key: Any) -> CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    day = dt.timedelta(days=1)
    return builder.not_valid_before(now - day).not_valid_after(now + day)


def _pem(certificate: Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


class Index:
    """The wheels of a folder, as PEP 503 has it."""

    def __init__(self, wheels: Path, address: str) -> None:
        self.address = address
        self.simple = f"{address}/simple"
        self.wheels = wheels
        self.asked: list[str] = []

    def page(self, path: str) -> bytes | None:
        """What is at a path."""
        self.asked.append(path)
        if path.startswith("/files/"):
            file = self.wheels / path.rpartition("/")[2]
            return file.read_bytes() if file.is_file() else None
        name = path.strip("/").rpartition("/")[2]
        files = sorted(self.wheels.glob(f"{name}-*.whl"))
        links = [f'<a href="{self.address}/files/{file.name}#sha256={sha256(file)}">{file.name}</a>' for file in files]
        return "\n".join(["<!DOCTYPE html>", *links]).encode() if files else None


def sha256(file: Path) -> str:
    """Of a file's content."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


@contextmanager
def serve(wheels: Path, authority: Authority) -> Generator[Index]:
    """Serve a folder of wheels over TLS on a free port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = index.page(self.path)
            self.send_response(200 if page is not None else 404)
            self.send_header("Content-Type", "text/html" if "/simple/" in self.path else "application/octet-stream")
            self.send_header("Content-Length", str(len(page or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(page or b"")

        do_HEAD = do_GET  # noqa: N815 - the base class's name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that does not trust us hangs up: that is what is tested."""

    server = Server(("127.0.0.1", 0), Handler)
    # The handshake belongs to the request's own thread: one client that hangs up must not keep the others waiting.
    server.socket = authority.server_context().wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    index = Index(wheels, f"https://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
