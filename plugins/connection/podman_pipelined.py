"""The connection of containers.podman, with pipelining: one podman call a task instead of six."""

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.containers.podman.plugins.connection import podman

DOCUMENTATION = """
name: podman_pipelined
short_description: Run tasks in a podman container with one podman call each
description:
  - Does what C(containers.podman.podman) does, but hands a module to the container's Python on
    standard input, where that one copies it in, makes it executable, runs and removes it.
author: Surgewatch
options:
  remote_addr:
    description: The container's name or ID.
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_host
      - name: ansible_podman_host
  remote_user:
    description: The user to run commands as; without it, the container's.
    vars:
      - name: ansible_user
  podman_executable:
    description: The podman command.
    default: podman
    vars:
      - name: ansible_podman_executable
    env:
      - name: ANSIBLE_PODMAN_EXECUTABLE
  podman_extra_args:
    description: Further arguments of podman itself.
    default: ""
    vars:
      - name: ansible_podman_extra_args
  pipelining:
    description: Whether modules are passed on standard input.
    type: boolean
    default: true
    vars:
      - name: ansible_pipelining
"""


class Connection(podman.Connection):
    """A container, reached by C(podman exec) and C(podman cp)."""

    transport = "podman_pipelined"
    has_pipelining = True

    def _connect(self) -> None:
        # Nothing to prepare: the parent would mount the container's files, which costs every task
        # a call, while few tasks copy files and podman cp costs those no more.
        self._connected = True

    def _podman(
        self,
        cmd: str | list[str],
        cmd_args: list[str] | None = None,
        in_data: bytes | None = None,
        use_container_id: bool = True,
    ) -> tuple[int, bytes, bytes]:
        if in_data is not None:
            command, *options = [cmd] if isinstance(cmd, str) else cmd
            cmd = [command, "--interactive", *options]
        code, out, err = super()._podman(cmd, cmd_args, in_data, use_container_id)
        # Podman's own failures: the container does not run, or there is none of that name.
        if code in (125, 255) and err.startswith(b"Error: "):
            raise AnsibleConnectionFailure(err.decode(errors="replace").strip())
        return code, out, err
