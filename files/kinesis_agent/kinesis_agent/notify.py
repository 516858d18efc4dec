"""Tells systemd how the service is."""

import contextlib
import os
import socket


def notify(text: str) -> None:
    """Send a state as sd_notify(3) does; without systemd do nothing."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    # The service matters more than what is said of it.
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
    ):
        out.sendto(text.encode(), address)
