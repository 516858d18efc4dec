"""Tells systemd that the service is ready, and that it lives (sd_notify)."""

import os
import socket


def notify(state: str) -> None:
    """Send e.g. READY=1 or WATCHDOG=1 to the service manager, if there is one."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto(state.encode(), address)
