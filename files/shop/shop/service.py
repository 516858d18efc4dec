"""The process: one application under uvicorn, on a unix socket."""

import asyncio
from pathlib import Path

import uvicorn
from python_service.notify import notify
from starlette.applications import Starlette

SIGN_OF_LIFE_EVERY = 5.0  # the unit's WatchdogSec is a multiple of it


def run(application: Starlette, socket: Path) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered. OSError: it cannot listen."""
    socket.unlink(missing_ok=True)  # of a process that was killed
    server = _Server(
        uvicorn.Config(
            application,
            uds=str(socket),
            http="h11",
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            access_log=False,  # nginx writes that
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    )
    server.run()


class _Server(uvicorn.Server):
    """Tells systemd that it listens, lives, and stops."""

    _next_sign = 0.0

    async def startup(self, sockets: list | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            notify("READY=1")

    async def on_tick(self, counter: int) -> bool:
        now = asyncio.get_running_loop().time()
        if now >= self._next_sign:
            notify("WATCHDOG=1")
            self._next_sign = now + SIGN_OF_LIFE_EVERY
        return await super().on_tick(counter)
