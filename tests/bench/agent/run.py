"""Benchmarks of the agent: `python -m tests.bench.agent.run DATASET.csv[.xz]`.

The endpoint answers as Kinesis does and does nothing else.
CPU seconds count, not rates, where the machine is shared. Each figure is of a process on one core
from its start on, the endpoint being on another.
"""

import json
import lzma
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from log_generator.dataset import COLUMNS

from tests.agent.process import COMMAND, ENVIRONMENT

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")


class Endpoint:
    def __init__(self, refused: float = 0.0) -> None:
        command = ["taskset", "-c", "1", sys.executable, HERE / "null_endpoint.py", str(refused)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = f"http://127.0.0.1:{self.process.stdout.readline().strip()}"

    def count(self) -> int:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure(command: list[object], endpoint: Endpoint | None, lines: int) -> dict[str, float]:
    """Run it until all lines have arrived (or it ends) and say what it took."""
    began = time.monotonic()
    process = subprocess.Popen(
        ["taskset", "-c", "0", *map(str, command)],
        env=os.environ | ENVIRONMENT,
        stderr=subprocess.DEVNULL,
    )
    used, peak = 0.0, 0.0
    while process.poll() is None:
        try:
            used, peak = cpu(process.pid), peak_mib(process.pid)
        except (OSError, IndexError):
            break
        if endpoint and endpoint.count() >= lines:
            used, peak = cpu(process.pid), peak_mib(process.pid)
            break
        time.sleep(0.01)
    took = time.monotonic() - began
    process.kill()
    process.wait()
    return {"cpu_per_million": used / lines * 1e6, "lines_per_s": lines / took, "mib": peak}


def agent(folder: Path, log: Path, endpoint: Endpoint, form: str, processing: bool) -> list[object]:
    flow = {"filePattern": str(log), "kinesisStream": "s", "initialPosition": "START_OF_FILE"}
    if processing:
        flow["dataProcessingOptions"] = [
            {"optionName": "CSVTOJSON", "csvQuoting": "rfc4180", "customFieldNames": COLUMNS}
        ]
    config = {
        "cloudwatch.emitMetrics": False,
        "kinesis.endpoint": endpoint.url,
        "kinesis.wireFormat": form,
        "flows": [flow],
    }
    state = tempfile.mkdtemp(dir=folder)
    path = Path(state) / "agent.json"
    path.write_text(json.dumps(config))
    return [COMMAND, "run", "--config", path, "--state-dir", state]


def main() -> None:
    source = Path(sys.argv[1])
    opener = lzma.open if source.suffix == ".xz" else open
    with opener(source, "rb") as file:
        text = file.read().decode("latin-1").partition("\n")[2].encode()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "orders.log"
        log.write_bytes(text * 2)
        lines = 2 * text.count(b"\n")
        print(f"{lines} lines\n{'':34}CPU-s/1M  lines/s     MiB")

        def row(title: str, found: dict[str, float]) -> None:
            print(
                f"{title:34}{found['cpu_per_million']:8.2f}{found['lines_per_s']:9.0f}"
                f"{found['mib']:8.1f}",
                flush=True,
            )

        row(
            "reading and splitting",
            measure([sys.executable, HERE / "ceiling.py", log], None, lines),
        )
        for form, processing, refused in (
            ("CBOR", True, 0),
            ("JSON", True, 0),
            ("CBOR", False, 0),
            ("CBOR", True, 0.1),
            ("JSON", True, 0.1),
        ):
            endpoint = Endpoint(refused)
            title = f"agent, {form}{', CSVTOJSON' if processing else ''}"
            title += ", 10 % refused" if refused else ""
            command = agent(folder, log, endpoint, form, processing)
            # The last few of the refused wait for seconds, each for another try.
            row(title, measure(command, endpoint, int(lines * (0.99 if refused else 1))))
            endpoint.close()
        endpoint = Endpoint()
        boto3 = [sys.executable, HERE / "plain_boto3.py", log, endpoint.url, ",".join(COLUMNS)]
        row("csv, json and boto3", measure(boto3, endpoint, lines))
        endpoint.close()


if __name__ == "__main__":
    main()
