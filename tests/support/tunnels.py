"""An API behind TLS, and a proxy with a login that leads to it: real sockets, beside the test."""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Proxy:
    """A running proxy.

    Attributes:
        port: its port on 127.0.0.1.
        says: its answer to a CONNECT, or None to open the tunnel; gets how many CONNECT came before.
        heads: the head of each CONNECT.
        leads_to: the port on this machine to which all tunnels lead, or None for the one that was asked for.
    """

    port: int
    says: Callable[[int], bytes | None] = lambda _: None
    heads: list[str] = field(default_factory=list)
    leads_to: int | None = None

    @property
    def logins(self) -> list[str]:
        """The values of `Proxy-Authorization`."""
        lines = [line.partition(": ") for head in self.heads for line in head.split("\r\n")]
        return [value for name, _, value in lines if name.lower() == "proxy-authorization"]


def refuse(status: int) -> bytes:
    """An answer to CONNECT."""
    return f"HTTP/1.1 {status} No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n".encode()


@contextmanager
def serve_proxy() -> Iterator[Proxy]:
    """Serve a proxy for CONNECT."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        proxy = Proxy(listener.getsockname()[1])

        def handle(client: socket.socket) -> None:
            head = b""
            # TLS begins with 0x16, and has no end of a head.
            while b"\r\n\r\n" not in head and not head.startswith(b"\x16") and (data := client.recv(65536)):
                head += data
            if not head:
                return  # A client that is stopped goes before it has asked.
            proxy.heads.append(head.decode("latin-1"))
            if answer := proxy.says(len(proxy.heads) - 1):
                client.sendall(answer)
                return
            host, _, port = head.split()[1].decode().rpartition(":")
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _join(
                client,
                socket.create_connection(("127.0.0.1", proxy.leads_to) if proxy.leads_to else (host, int(port))),
            )

        _accept(listener, handle)
        yield proxy


@contextmanager
def serve_tls(port: int, folder: Path, host: str = "localhost") -> Iterator[tuple[int, Path]]:
    """Serve TLS before a port of this machine. Returns the port, and the CA bundle that its certificate needs."""
    bundle, key = _certificate(folder, host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle, key)
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:

        def handle(client: socket.socket) -> None:
            with context.wrap_socket(client, server_side=True) as secured:
                _join(secured, socket.create_connection(("127.0.0.1", port)))

        _accept(listener, handle)
        yield listener.getsockname()[1], bundle


def _accept(listener: socket.socket, handle: Callable[[socket.socket], None]) -> None:
    def serve(client: socket.socket) -> None:
        with client, suppress(OSError, ValueError):
            handle(client)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def _join(one: socket.socket, other: socket.socket) -> None:
    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError, ValueError):
            while data := source.recv(65536):
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    with other:
        thread = threading.Thread(target=pump, args=(other, one), daemon=True)
        thread.start()
        pump(one, other)
        thread.join()


def _certificate(folder: Path, host: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    bundle, private = folder / "ca.pem", folder / "key.pem"
    bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    private.write_bytes(key.private_bytes(*form, serialization.NoEncryption()))
    return bundle, private
