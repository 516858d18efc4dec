"""A Python that has imported what modules for AWS import, and forks to run one.

Run as `python server.py FOLDER SOCKET`, by plugins/callback/forked_python.py: FOLDER/python is an
interpreter that hands the program on its standard input to the listening SOCKET, a descriptor. A
module by itself spends most of its time on these imports. It ends, with the folder, when its own
standard input does.
"""

import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import traceback
from pathlib import Path
from types import ModuleType

IMPORTED = (
    "ansible.module_utils.basic",
    "ansible_collections.amazon.aws.plugins.module_utils.cloud",
    "ansible_collections.amazon.aws.plugins.module_utils.ec2",
    "ansible_collections.amazon.aws.plugins.module_utils.iam",
    "ansible_collections.amazon.aws.plugins.module_utils.modules",
    "ansible_collections.amazon.aws.plugins.module_utils.waiters",
    "botocore.docs.service",
    "botocore.handlers",
    "s3transfer.manager",
)
PLUGINS = Path(__file__).parents[1]
SIZE = 1 << 16


def main() -> None:
    folder, server = Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
    import_all()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    while True:
        ready, _, _ = select.select([server, sys.stdin], [], [])
        if sys.stdin in ready:
            shutil.rmtree(folder, ignore_errors=True)
            return
        client, _ = server.accept()
        if os.fork() == 0:
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(run(client))
        client.close()


def import_all() -> None:
    import ansible.module_utils
    import ansible.modules

    # The archive of a module is looked into only for packages that are not imported yet.
    ansible.module_utils.__path__.append(str(PLUGINS / "module_utils"))
    own = sys.modules["ansible.legacy"] = ModuleType("ansible.legacy")
    own.__path__ = [str(PLUGINS / "modules"), *ansible.modules.__path__]
    for name in IMPORTED:
        importlib.import_module(name)


def run(client: socket.socket) -> int:
    """Be the process that asks: its descriptors, environment, folder, and program on stdin."""
    message, descriptors, _, _ = socket.recv_fds(client, SIZE, 3)
    while not message.endswith(b"\n"):
        message += client.recv(SIZE)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    environment, folder = json.loads(message)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["-"]
    code = 0
    try:
        exec(compile(sys.stdin.read(), "<stdin>", "exec"), {"__name__": "__main__"})
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    client.sendall(bytes([code]))
    return code


if __name__ == "__main__":
    main()
