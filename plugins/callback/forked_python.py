"""Callback of Ansible: start the Python that modules on the control node are forks of."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from ansible import constants
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: forked_python
type: aggregate
short_description: Start the Python that modules on the control node are forks of
description:
  - As long as a playbook runs, there is a Python that has imported what modules for AWS import.
    C(SURGEWATCH_PYTHON) names an interpreter that runs a module in a fork of it.
author: Surgewatch
"""
SOURCE = Path(__file__).parents[1] / "python"


class CallbackModule(CallbackBase):
    """Ansible asks this for the callback."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "forked_python"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook: object) -> None:  # noqa: ARG002
        folder = Path(tempfile.mkdtemp(prefix="python-", dir=constants.DEFAULT_LOCAL_TMP))
        silent = {
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }  # Ansible's are its own
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / "socket"))
            server.listen(128)
            number = server.fileno()
            # It ends when this process does, however that ends: with the pipe to it.
            self._server = subprocess.Popen(
                [sys.executable, SOURCE / "server.py", folder, str(number)],
                stdin=subprocess.PIPE,
                pass_fds=[number],
                **silent,
            )
        interpreter = folder / "python"
        interpreter.write_text(f"#!{sys.executable} -SE\n{(SOURCE / 'client.py').read_text()}")
        interpreter.chmod(0o755)
        os.environ["SURGEWATCH_PYTHON"] = str(interpreter)
