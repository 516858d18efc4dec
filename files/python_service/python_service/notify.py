"""Tells systemd how the service is (sd_notify)."""

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Send e.g. READY=1 or WATCHDOG=1 to the service manager, if there is one.

    An error is passed over: the service matters more than what is said of it, and a watchdog that
    hears nothing ends it.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager,
    ):
        manager.sendto(state.encode(), address)
