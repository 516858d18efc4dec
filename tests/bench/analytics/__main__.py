"""All benches of the analytics: `python -m tests.bench.analytics`, some minutes."""

import subprocess
import sys

for name, *arguments in (
    ("engine_speed",),
    ("against_others",),
    ("latency", "100", "30"),
    ("latency", "2000", "30"),
):
    command = [sys.executable, "-m", f"tests.bench.analytics.{name}", *arguments]
    print("#", name, *arguments, flush=True)
    subprocess.run(command, check=True)
