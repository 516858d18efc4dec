"""The alarm history, as the function alarm_reader tells it."""

import json
from typing import Any

from console.errors import ConsoleError
from console.stack import Stack
from console.terminal import line

Row = dict[str, Any]


def ask(stack: Stack, query: str, **arguments: Any) -> list[Row]:
    """Ask about the stack's alarms; lambdas/alarm_reader/queries.py lists what can be asked."""
    function = stack["surgewatch_alarm_reader"]
    return ask_function(stack.client("lambda"), function, query, **arguments)


def ask_function(client: Any, function: str, query: str, **arguments: Any) -> list[Row]:
    """Ask by a client of Lambda."""
    payload = json.dumps({"query": query, **arguments})
    answer = client.invoke(FunctionName=function, Payload=payload)
    body = json.loads(answer["Payload"].read() or "null")
    if "FunctionError" in answer:
        raise ConsoleError(f"{function}: {body.get('errorMessage', body)}")
    return body["rows"]


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


def amount(value: float) -> str:
    """A number as people write it: 1,234,363.80, but 30 and 0.0123."""
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 1000 else f"{value:.6g}"
