"""A private CA, and TLS in front of a server that speaks none, as a reverse proxy does it."""

import asyncio
import contextlib
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from needs import need

from tautwire.testing.thread import LoopThread

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Certificates:
    """A CA nobody knows, and what it signed."""

    directory: Path

    @classmethod
    def make(cls, directory: Path) -> Self:
        """Make the CA, a good certificate for 127.0.0.1, and one for another host."""
        self = cls(directory)
        self._openssl("-subj", "/CN=Private CA", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem")
        self._sign("good", "IP:127.0.0.1,DNS:localhost")
        self._sign("elsewhere", "DNS:elsewhere.test")
        return self

    @property
    def ca_file(self) -> Path:
        """The CA's certificate."""
        return self.directory / "ca.pem"

    def client_context(self) -> ssl.SSLContext:
        """Return TLS settings that trust the CA alone."""
        return ssl.create_default_context(cafile=self.ca_file)

    def load(self, context: ssl.SSLContext, name: str) -> None:
        """Let a server's context show one of the certificates from now on."""
        context.load_cert_chain(self.directory / f"{name}.pem", self.directory / f"{name}.key")

    def _sign(self, name: str, hosts: str) -> None:
        self._openssl(
            "-subj", f"/CN={name}", "-days", "1", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-addext", f"subjectAltName={hosts}", "-addext", "basicConstraints=critical,CA:FALSE",
            "-keyout", f"{name}.key", "-out", f"{name}.pem",
        )  # fmt: skip

    def _openssl(self, *arguments: str) -> None:
        command = [need("openssl", "OpenSSL 3 or newer"), "req", "-x509", *KEY, *arguments]
        subprocess.run(command, cwd=self.directory, check=True, capture_output=True, timeout=30)


class TlsFront:
    """Takes TLS off, says so in X-Forwarded-Proto, and passes everything on to a port that speaks plain HTTP."""

    def __init__(self, upstream: int, certificates: Certificates) -> None:
        self.port = 0
        self._upstream = upstream
        self._certificates = certificates
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.present("good")
        self._thread = LoopThread()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopped = False

    def __enter__(self) -> Self:
        self._server = self._thread.block(self._listen())
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.block(self._stop())
        self._thread.close()

    @property
    def api_url(self) -> str:
        """Where the Web API is."""
        return f"https://127.0.0.1:{self.port}/api/"

    def present(self, name: str) -> None:
        """Show a certificate to who comes from now on."""
        self._certificates.load(self._context, name)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._context)

    async def _stop(self) -> None:
        self._is_stopped = True
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection, unless it came while the front ends: a task that never begins would leave it open."""
        if self._is_stopped:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._relay(reader, writer)
            writer.close()
            await writer.wait_closed()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n")
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        up_writer.write(request + b"X-Forwarded-Proto: https\r\n")
        ways = [asyncio.create_task(_pass_on(reader, up_writer)), asyncio.create_task(_pass_on(up_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            up_writer.close()  # before anything that can be cancelled
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
