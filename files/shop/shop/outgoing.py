"""Calls to the other services, through the local proxy that routes them and logs each one."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import h11

SECONDS = 5.0
"""What one call may take: more than the proxy's own patience, which answers 504 before."""
PASSED_ON = ("traceparent", "tracestate")


class CallError(Exception):
    """A service did not do what it was asked; `status` is what the caller's own answer should be.

    504: it took too long. 502: anything else.
    """

    def __init__(self, service: str, status: int, reason: str) -> None:
        super().__init__(f"{service}: {reason}")
        self.status = status


class Outgoing:
    """Posts JSON through the proxy behind a unix socket, which tells services by the Host."""

    def __init__(self, socket: Path, seconds: float = SECONDS) -> None:
        self._socket = socket
        self._seconds = seconds

    async def post(self, service: str, path: str, body: bytes, received: Mapping[str, str]) -> None:
        """Return once the service accepted `body`; CallError where it did not.

        Of the headers that were received, those that name the trace are passed on.
        """
        headers = [("Host", service), ("Connection", "close"), ("Content-Length", str(len(body)))]
        headers += [("Content-Type", "application/json")]
        headers += [(name, received[name]) for name in PASSED_ON if name in received]
        try:
            async with asyncio.timeout(self._seconds):
                status = await self._exchange(
                    h11.Request(method="POST", target=path, headers=headers), body
                )
        except TimeoutError:
            raise CallError(service, 504, "no answer in time") from None
        except (OSError, h11.RemoteProtocolError) as error:
            raise CallError(service, 502, str(error)) from error
        if not 200 <= status < 300:
            raise CallError(service, 504 if status == 504 else 502, f"answered {status}")

    async def _exchange(self, request: h11.Request, body: bytes) -> int:
        reader, writer = await asyncio.open_unix_connection(self._socket)
        try:
            connection = h11.Connection(h11.CLIENT)
            for event in (request, h11.Data(body), h11.EndOfMessage()):
                writer.write(connection.send(event) or b"")
            await writer.drain()
            while (event := connection.next_event()) is h11.NEED_DATA or isinstance(
                event, h11.InformationalResponse
            ):
                if event is h11.NEED_DATA:
                    connection.receive_data(await reader.read(65536))
        finally:
            writer.close()
        if not isinstance(event, h11.Response):
            raise OSError("the connection ended before the answer")
        return event.status_code
