"""Start what is stopped, wait until every service answers, see to the administrator's secret.

On AWS, RDS makes that secret; here the password goes from MariaDB's state directory to Secrets
Manager without passing the control node. Prints "changed" where something had to be done.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

SERVICES = {
    "kinesis": "list_streams",
    "dynamodb": "list_tables",
    "s3": "list_buckets",
    "sns": "list_topics",
    "sqs": "list_queues",
    "lambda": "list_functions",
    "secretsmanager": "list_secrets",
}
UNITS = ["kinesalite", "dynalite", "ministack", "mariadb", "nginx"]
DEADLINE_SECONDS = 60
PIPE_SECONDS = 5
STATE = Path("/var/lib/surgewatch/mariadb")


def wait(name: str, answers: Callable[[], object], deadline: float) -> None:
    """Call until it answers; when the deadline has passed, end the program with the last error."""
    while True:
        try:
            answers()
            return
        except (BotoCoreError, ClientError, OSError) as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"{name} does not answer: {error}") from error
            time.sleep(0.2)


def ensure_secret(client: BaseClient, name: str, value: dict) -> bool:
    """Store the value under the name; say whether it was not there already."""
    text = json.dumps(value)
    try:
        if client.get_secret_value(SecretId=name)["SecretString"] == text:
            return False
        client.put_secret_value(SecretId=name, SecretString=text)
    except client.exceptions.ResourceNotFoundException:
        client.create_secret(Name=name, SecretString=text)
    return True


def start() -> bool:
    """Start units that were stopped by hand; say whether there were any.

    Ansible leaves them alone, for the target is active all the same.
    """
    units = [f"surgewatch-{unit}.service" for unit in UNITS]
    states = subprocess.run(["systemctl", "is-active", *units], capture_output=True, text=True)
    if set(states.stdout.split()) == {"active"}:
        return False
    subprocess.run(["systemctl", "start", *units], check=True)
    return True


def read(path: Path) -> str:
    """What a file holds, as its folder's owner sees it.

    Root would follow a link to what the owner may not read, and wait at a pipe for ever.
    """
    owner = path.parent.stat()
    who = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    try:
        return subprocess.run(
            ["cat", path], **who, capture_output=True, text=True, check=True, timeout=PIPE_SECONDS
        ).stdout
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{path} cannot be read: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise SystemExit(f"{path} is no file that can be read") from error


def main() -> None:
    changed = start()
    session = botocore.session.get_session()
    config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
    clients = {service: session.create_client(service, config=config) for service in SERVICES}
    deadline = time.monotonic() + DEADLINE_SECONDS
    for service, operation in SERVICES.items():
        wait(service, getattr(clients[service], operation), deadline)
    database = (os.environ["DATABASE_HOST"], 3306)
    wait("the database", lambda: socket.create_connection(database, timeout=2).close(), deadline)
    secret = {
        "host": database[0],
        "port": database[1],
        "username": os.environ["DATABASE_USERNAME"],
        "password": read(STATE / "password").strip(),
        "dbname": "logs",
        "ca": read(STATE / "authority.pem"),
    }
    changed |= ensure_secret(clients["secretsmanager"], os.environ["DATABASE_SECRET"], secret)
    if changed:
        print("changed")


if __name__ == "__main__":
    main()
