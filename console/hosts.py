"""Commands on a host, by the way that Ansible would reach it."""

import shlex
from collections.abc import Sequence

from console.errors import ConsoleError
from console.stack import Stack


def connection(stack: Stack, host: str) -> str:
    """How Ansible reaches the host, without the collection's name."""
    return stack.variables[host].get("ansible_connection", "ssh").rpartition(".")[2]


def is_container(stack: Stack, host: str) -> bool:
    return connection(stack, host) in ("podman", "podman_pipelined")


def command_on(stack: Stack, host: str, command: Sequence[str]) -> list[str]:
    """The command line that runs a command on the host from here."""
    variables = stack.variables[host]
    address = variables.get("ansible_host", host)
    match connection(stack, host):
        case "podman" | "podman_pipelined":
            podman = variables.get("ansible_podman_executable", "podman")
            return [podman, "exec", "--interactive", address, *command]
        case "ssh":
            user = variables.get("ansible_user")
            return ["ssh", f"{user}@{address}" if user else address, shlex.join(["sudo", *command])]
        case "local":
            return list(command)
        case other:
            raise ConsoleError(f"{host}: its logs cannot be read over the connection {other}")
