"""How fast the embedded engine is, and what it needs: prints a table; CPU seconds, one core.

Run it in the project's environment: `python -m tests.bench.analytics.engine_speed [SCALE]`.
"""

import base64
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from analytics_engine.rules.files import load
from analytics_engine.rules.reference import References
from analytics_engine.rules.rule import Rule
from analytics_engine.service.store import Store
from analytics_engine.service.streams import Answer

from tests.analytics.brute import rfc3339
from tests.analytics.streams import ORDERS, REQUESTS

RULES = Path(__file__).parents[3] / "analytics" / "rules.yml"
START = 1_769_860_800_000
BATCH = 2_000
REPEATS = 3
ADDRESSES = 10_000
SOURCES = {"orders": ORDERS, "access": REQUESTS}
COUNTRIES = ("United Kingdom",) * 9 + ("Germany", "France", "EIRE", "Spain")


@dataclass
class Load:
    """Answers of GetRecords, as they come from the wire."""

    rate: int
    lines: int
    source: str = "orders"

    def answers(self) -> Iterator[bytes]:
        for first in range(0, self.lines, BATCH):
            records = [self._record(n) for n in range(first, min(first + BATCH, self.lines))]
            yield json.dumps(
                {"Records": records, "NextShardIterator": "i", "MillisBehindLatest": 0}
            ).encode()

    def _record(self, number: int) -> dict:
        made = (line if self.source == "orders" else request)(number, self.rate)
        data = json.dumps(made).encode() + b"\n"
        return {
            "Data": base64.b64encode(data).decode(),
            "ApproximateArrivalTimestamp": (START + number * 1000 // self.rate + 120) / 1000,
            "PartitionKey": "0",
            "SequenceNumber": str(4 * 10**55 + number),
        }


def line(number: int, rate: int) -> dict[str, str]:
    """An order line of a steady stream: invoices of 20 lines, ADDRESSES in turn."""
    time_ms = START + number * 1000 // rate
    invoice = number // 20
    address = invoice * 7919 % ADDRESSES
    return {
        "InvoiceNo": f"{'C' if invoice % 50 == 0 else ''}{536365 + invoice}",
        "StockCode": f"{10000 + number * 31 % 4000}",
        "Description": "WHITE HANGING HEART T-LIGHT HOLDER",
        "Quantity": "6",
        "InvoiceDate": "12/1/2010 8:26",
        "UnitPrice": "2.55",
        "Customer": "17850",
        "Country": COUNTRIES[invoice % len(COUNTRIES)],
        "LineNo": str(number % 20 + 1),
        "EventTime": rfc3339(time_ms // 100)[:-3] + f"{time_ms % 100:02}Z",
        "ClientIP": f"198.18.{address // 250}.{address % 250}",
    }


def request(number: int, rate: int) -> dict[str, object]:
    """A line of an access log as nginx writes it: orders with their two calls and four views.

    One request in 5,000 fails, one in 500 is slow.
    """
    time_ms = START + number * 1000 // rate
    visit, step = divmod(number, 7)
    address, product = visit * 7919 % ADDRESSES, f"{10000 + number * 31 % 4000}"
    to = {5: "stock", 6: "payment"}.get(step, "")
    path, route = {
        0: ("/", "home"),
        1: (f"/product/{product}", "product"),
        2: ("/basket", "basket"),
        3: ("/checkout", "checkout"),
        5: ("/reservations", "reservation"),
        6: ("/payments", "payment"),
    }.get(step, ("/orders", "order"))
    status = 502 if number % 5000 == 999 else 201 if step == 4 else 200
    seconds = 0.9 if number % 500 == 77 else round(0.002 + number % 50 / 1000, 3)
    return {
        "EventTime": rfc3339(time_ms // 100)[:-3] + f"{time_ms % 100:02}Z",
        "RequestId": f"{number:032x}",
        "Server": "generator-01",
        "Service": "shop",
        "Direction": "out" if to else "in",
        "To": to,
        "Method": "POST" if step > 3 else "GET",
        "Host": to or "shop",
        "Path": path,
        "Route": route,
        "Visitor": "bot" if visit % 20 == 0 else "user",
        "Status": status,
        "Seconds": seconds,
        "Bytes": 512 + number % 1000,
        "ClientIP": f"198.{18 + address % 2}.{address // 2 % 250}.{address // 500}",
        "Peer": "",
        "Upstream": "unix:/run/surgewatch-shop-shop/socket",
        "UpstreamStatus": str(status),
        "UpstreamSeconds": str(seconds),
        "Trace": f"{visit:032x}",
    }


def engine(
    answers: list[bytes],
    rules: list[Rule],
    references: References,
    name: str = "orders",
    measured: bool = True,
) -> tuple[float, int]:
    """CPU seconds from the answers' bytes to saved state, and alarms; minutes are counted, too."""
    source = SOURCES[name]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "engine.db", measured)
        made = store.engine(name, source)
        made.change(source, [rule for rule in rules if rule.source == name], references)
        made.open_shard("0")
        alarms = 0
        begun = time.process_time()
        for body in answers:
            answer = msgspec.json.decode(body, type=Answer)
            made.read("0", answer.records[-1].sequence, answer.records)
            said = made.advance()
            alarms += len(said)
            store.save({name: made}, said)
            for number, _, _ in store.measures()[-1:]:
                store.measured(number)  # as if it had been sent
        used = time.process_time() - begun
        store.close()
    return used, alarms


def floor(answers: list[bytes]) -> float:
    """The least that a count costs: decode, a deque of times, nothing else."""
    decode = msgspec.json.Decoder(msgspec.defstruct("Line", [("EventTime", str)])).decode
    window: deque[str] = deque()
    begun = time.process_time()
    for body in answers:
        for record in msgspec.json.decode(body, type=Answer).records:
            window.append(decode(record.data).EventTime)
            if len(window) > 30:
                window.popleft()
    return time.process_time() - begun


def memory(lines: int) -> int:
    """Resident bytes at most, of a process that reads at 1,000 lines/s of event time."""
    code = f"from tests.bench.analytics.engine_speed import resident; print(resident({lines}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return int(done.stdout)


def resident(lines: int) -> int:
    import analytics_engine.service.loop  # noqa: F401  what the service has in memory, too
    from botocore.session import Session

    Session().create_client("kinesis", region_name="us-east-1")
    _, rules, references = load(RULES)
    engine_over = Load(1_000, lines).answers()
    gc.set_threshold(100_000, 50, 100)  # as the command does
    engine(engine_over, rules, references)  # type: ignore[arg-type]
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def main() -> None:
    """Enough event time at each rate that windows fill and empty, and the past is recounted."""
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    gc.set_threshold(100_000, 50, 100)
    _, rules, references = load(RULES)
    surge = next(rule for rule in rules if rule.name == "order_surge")
    counts = {100: 100_000, 1_000: 1_000_000, 10_000: 2_000_000}

    def row(
        what: str,
        answers: list[bytes],
        rules: list[Rule],
        given: References,
        name: str = "orders",
        measured: bool = True,
    ) -> float:
        lines = sum(answer.count(b"SequenceNumber") for answer in answers)
        # The best of some: the others were disturbed.
        runs = [
            engine(answers, rules, given, name, measured)[0] if rules else floor(answers)
            for _ in range(REPEATS)
        ]
        used = min(runs) / lines
        print(f"{what:44} {1 / used:12,.0f} lines/s {used * 1e6:7.2f} us", flush=True)
        return used

    alone, shipped = {}, {}
    for rate, lines in counts.items():
        answers = list(Load(rate, int(lines * scale)).answers())
        if rate == 1_000:
            row("deque of times alone (the floor)", answers, [], {})
            for seconds in (15, 900):
                rule = msgspec.structs.replace(
                    surge, window_seconds=seconds, threshold=seconds * 2000
                )
                row(f"one rule, window {seconds} s, 1,000/s", answers, [rule], {})
            many = [
                msgspec.structs.replace(surge, name=f"r{n}", window_seconds=15 + n)
                for n in range(20)
            ]
            row("20 rules, each in an incident, 1,000/s", answers, many, {})
        alone[rate] = row(f"order_surge alone, {rate:,}/s", answers, [surge], {})
        shipped[rate] = row(f"shipped rules, {rate:,}/s", answers, rules, references)
        row(f"without minutes, {rate:,}/s", answers, rules, references, measured=False)
        del answers
    for rate, lines in {20: 20_000, 500: 500_000, 2_000: 1_000_000}.items():
        answers = list(Load(rate, int(lines * scale), "access").answers())
        row(f"shipped rules over requests, {rate:,}/s", answers, rules, references, "access")
        row(f"without minutes, {rate:,}/s", answers, rules, references, "access", False)
        del answers
    for what, costs in (("order_surge alone", alone), ("shipped rules", shipped)):
        ratio = costs[100] / costs[10_000]
        print(f"{what}: a line at 100/s costs {ratio:.2f} of one at 10,000/s")
    resident = memory(int(200_000 * scale)) / 1e6
    print(f"{'resident at 1,000/s, 10,000 addresses':44} {resident:12,.0f} MB")


if __name__ == "__main__":
    main()
