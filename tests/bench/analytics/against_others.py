"""The surge rule over the same recorded lines: embedded engine, Flink's job, DuckDB, a deque.

Run it in the project's environment: `python -m tests.bench.analytics.against_others [LINES]`.
It fetches Flink and DuckDB where they are not there; no dependencies of the project. The CPU
seconds of Flink are those of its Python alone: its Java is not counted.
"""

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import deque
from pathlib import Path

from analytics_engine.offline.backtest import backtest
from analytics_engine.records.ticks import milliseconds
from analytics_engine.rules.files import Definitions, load

from tests.analytics.flink import install
from tests.analytics.streams import ORDERS
from tests.bench.analytics.engine_speed import RULES, line, request

ROOT = Path(__file__).parents[3]
DUCKDB = "duckdb==1.4.1"
RATE = 1_000
QUERY = """
SELECT count(*) FROM (
  SELECT count(*) OVER (ORDER BY t RANGE BETWEEN INTERVAL 15 SECONDS PRECEDING AND CURRENT ROW) AS n
  FROM (SELECT EventTime::TIMESTAMP AS t FROM read_json('{path}'))
) WHERE n >= 30
"""


def main() -> None:
    gc.set_threshold(100_000, 50, 100)  # as the command does
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "orders").mkdir()
        with (folder / "orders.log").open("w") as log, (folder / "orders/1.json").open("w") as out:
            for number in range(lines):
                order = line(number, RATE)
                log.write("\t".join(order[column] for column in ORDERS.kind.columns) + "\n")
                out.write(json.dumps(order) + "\n")
        os.sync()  # nobody shall pay for the writing of these
        shipped = load(RULES)
        surge = only(shipped, "order_surge")
        log = folder / "orders.log"

        def row(what: str, used: tuple[float, float]) -> None:
            print(f"{what:42} {used[0]:7.1f} s {used[1]:7.1f} CPU s", flush=True)

        row("a deque over the same file", timed(lambda: count(log)))
        row("embedded, order_surge", timed(lambda: backtest([log], surge)))
        row(
            "embedded, shipped rules",
            timed(lambda: backtest([log], shipped)),
        )
        access = folder / "access.log"
        with access.open("w") as out:
            for number in range(lines):
                out.write(json.dumps(request(number, RATE), separators=(",", ":")) + "\n")
        row("json.loads over as many requests", timed(lambda: loads(access)))
        row("embedded, shipped rules over them", timed(lambda: backtest([access], shipped)))
        row("DuckDB's window query, start included", timed(lambda: duckdb(folder)))
        flink_python = install()
        row("Flink's job, order_surge, start included", timed(lambda: flink(folder, flink_python)))
        (folder / "orders/1.json").write_text("")
        row("Flink's job over nothing", timed(lambda: flink(folder, flink_python)))


def only(definitions: Definitions, name: str) -> Definitions:
    """One rule of them."""
    return definitions._replace(rules=[r for r in definitions.rules if r.name == name])


def timed(do) -> tuple[float, float]:
    """Seconds on the clock, and CPU seconds with those of processes it started."""
    begun, before = time.monotonic(), os.times()
    do()
    after = os.times()
    return time.monotonic() - begun, sum(after[:4]) - sum(before[:4])


def count(log: Path) -> int:
    window: deque[int] = deque()
    hot = 0
    place = list(ORDERS.kind.columns).index("EventTime")
    with log.open() as file:
        for text in file:
            now = milliseconds(text.split("\t")[place])
            window.append(now)
            while window[0] < now - 15_000:
                window.popleft()
            hot += len(window) >= 30
    return hot


def loads(log: Path) -> None:
    with log.open() as file:
        for text in file:
            json.loads(text)


def duckdb(folder: Path) -> None:
    code = f"import duckdb; duckdb.sql({QUERY.format(path=folder / 'orders/1.json')!r}).fetchall()"
    command = ["uv", "run", "-q", "--no-project", "--with", DUCKDB, "python", "-c", code]
    subprocess.run([sys.executable, "-m", *command], check=True)


def flink(folder: Path, python: Path) -> None:
    sys.path.insert(0, str(ROOT / "analytics" / "flink"))
    from package import pack

    surge = only(load(RULES), "order_surge")
    zipfile.ZipFile(pack(folder, surge, b"")).extractall(folder / "app")
    found = {
        "tables": "files",
        "orders": f"file://{folder}/orders",
        "alarms": f"file://{folder}/alarms",
    }
    groups = [{"PropertyGroupId": "surgewatch", "PropertyMap": found}]
    (folder / "properties.json").write_text(json.dumps(groups))
    subprocess.run([python, folder / "app/main.py", folder / "properties.json"], check=True)


if __name__ == "__main__":
    main()
