"""A live log: delay from line to PutRecords, and memory over rotations.

`python -m tests.bench.agent.live LINES_PER_SECOND SECONDS [ROTATE_EVERY]`
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

from tests.agent.endpoint import Endpoint
from tests.agent.process import AgentProcess
from tests.bench.agent.run import cpu


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    rate, seconds = int(sys.argv[1]), float(sys.argv[2])
    rotate_every = float(sys.argv[3]) if len(sys.argv) > 3 else seconds
    delays: list[float] = []
    with tempfile.TemporaryDirectory() as name, Endpoint() as endpoint:
        folder = Path(name)
        log = folder / "app.log"
        log.touch()
        seen = 0

        def on_put(stream: str) -> None:
            nonlocal seen
            now = time.time()
            new, seen = endpoint.order[seen:], len(endpoint.order)
            delays.extend(now - float(record.split()[1]) for record in new)

        endpoint.on_put = on_put
        flow = {"filePattern": str(log), "kinesisStream": "s"}
        with AgentProcess(folder, [flow], **{"kinesis.endpoint": endpoint.url}) as agent:
            agent.wait_until_ready()
            began = rotated = sampled = time.monotonic()
            written = rotations = 0
            file = log.open("ab", buffering=0)
            pid = agent.process.pid
            samples = []
            while (elapsed := time.monotonic() - began) < seconds:
                due = int(elapsed * rate)
                file.write(
                    b"".join(
                        b"%09d %.6f %s\n" % (n, time.time(), b"x" * 80) for n in range(written, due)
                    )
                )
                written = due
                if time.monotonic() - rotated > rotate_every:
                    rotations += 1
                    rotated = time.monotonic()
                    log.rename(f"{log}.{rotations}")
                    file.close()
                    file = log.open("ab", buffering=0)
                    Path(f"{log}.{rotations - 4}").unlink(missing_ok=True)
                if time.monotonic() - sampled > 5:
                    sampled = time.monotonic()
                    samples.append(resident_mib(pid))
                time.sleep(min(0.01, 1 / rate))
            endpoint.wait_for(lambda: len(endpoint.order) >= written, 10)
            samples.append(resident_mib(pid))
            used = cpu(pid)
        percent = quantiles(delays, n=100)
        repeated = sum(count - 1 for count in endpoint.records.values())
        print(
            f"{written} lines, {len(endpoint.records)} arrived, {repeated} repeated, "
            f"{rotations} rotations"
        )
        print(f"delay p50 {percent[49] * 1000:.0f} ms, p99 {percent[98] * 1000:.0f} ms")
        print(f"CPU-s per 1M lines {used / written * 1e6:.1f}")
        third = max(1, len(samples) // 3)
        print(
            f"MiB: first third at most {max(samples[:third]):.1f}, "
            f"last third at most {max(samples[-third:]):.1f}"
        )


main()
