"""The alarm history, as the function alarm_reader tells it."""

import json
import time
from typing import Any

from analytics_engine.offline.report import amount
from botocore.exceptions import ClientError

from console.errors import ConsoleError
from console.stack import Stack
from console.terminal import err, line

Row = dict[str, Any]

# What a function answers with that was idle for weeks: the call that fails wakes it.
WAKING = ("ResourceConflictException", "ResourceNotReadyException", "EC2ThrottledException")
WAKING_SECONDS = 300
POLL_SECONDS = 3.0


def ask(stack: Stack, query: str, **arguments: Any) -> list[Row]:
    """Ask about the stack's alarms; lambdas/alarm_reader/queries.py lists what can be asked."""
    function = stack["surgewatch_alarm_reader"]
    return ask_function(stack.client("lambda"), function, query, **arguments)


def ask_function(client: Any, function: str, query: str, **arguments: Any) -> list[Row]:
    """Ask by a client of Lambda."""
    payload = json.dumps({"query": query, **arguments})
    answer = _invoke(client, function, payload)
    body = json.loads(answer["Payload"].read() or "null")
    if "FunctionError" in answer:
        raise ConsoleError(f"{function}: {body.get('errorMessage', body)}")
    return body["rows"]


def _invoke(client: Any, function: str, payload: str) -> Any:
    """Its answer, once it is awake."""
    deadline = None
    while True:
        try:
            return client.invoke(FunctionName=function, Payload=payload)
        except ClientError as error:
            if error.response["Error"]["Code"] not in WAKING:
                raise
            now = time.monotonic()
            if deadline is None:
                err.print(f"{function} was idle for long; waiting until it is awake ...")
                deadline = now + WAKING_SECONDS
            if now > deadline:
                raise ConsoleError(f"{function} does not wake: {error}") from error
        time.sleep(POLL_SECONDS)


def sentence(row: Row) -> str:
    """An alarm on one line, for people."""
    time = row["alarm_creation_time"].replace("T", " ").removesuffix("Z")[:19]
    scope = f" {row['scope']}" if row["scope"] else ""
    level, seconds = f"{amount(row['value'])} {row['unit']}", f"{row['window_seconds']:g} s"
    what = f"{level} in {seconds}, threshold {amount(row['threshold'])}"
    if row["kind"] == "CLOSE" and None not in (row["duration_seconds"], row["peak"]):
        peak = f"{amount(row['peak'])} {row['unit']}"
        what = f"over after {row['duration_seconds']:.0f} s, peak {peak}"
    if row["reason"]:
        what += f" ({row['reason']})"
    late = ", found late" if row["late"] else ""
    return line(f"{time}  {row['kind']:<10} {row['rule']}{scope}: {what}{late}")
