"""The real process, killed at random moments, with renames in between."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from log_generator import inject
from log_generator.inject import Batch

KILLS = 15  # with each format
DEADLINE = 60


def start(machine):
    return subprocess.Popen(
        [sys.executable, "-m", "log_generator", "run", "--config", machine.config_file()],
        stderr=subprocess.PIPE,
    )


def written(machine):
    return sum(path.stat().st_size for path in machine.log.parent.glob("orders.log*"))


def wait_for(condition, process):
    until = time.monotonic() + DEADLINE
    while not condition():
        if process.poll() is not None or time.monotonic() > until:
            pytest.fail(process.communicate()[1].decode())
        time.sleep(0.0005)


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_killed_at_any_moment_it_neither_repeats_nor_skips(machine, form):
    draw = random.Random(f"kills {form}")
    host = machine(format=form, slices="0-700", lines_per_second=30_000, min_free_mb=0)
    batches = [
        Batch([[f"V{number}-1", f"S{row}", 'a "quoted" one, or two', "1", "", "1.5", "", ""]
               for row in range(300)], seconds=0.3)
        for number in range(3)
    ]  # fmt: skip
    host.start().stop()  # so that it owns its slices
    turns = 0

    def rename():
        nonlocal turns
        if host.log.exists():
            turns += 1
            host.log.rename(host.log.with_name(f"orders.log-{turns:04}"))

    for kill in range(KILLS):
        process = start(host)
        wait_for((host.state / "inject").exists, process)
        if kill % 5 == 1 and batches:
            inject.drop(host.state / "inject", batches.pop())
        for _ in range(draw.randrange(3)):
            target = written(host) + draw.randrange(60_000)
            wait_for(lambda target=target: written(host) >= target, process)
            rename()
        target = written(host) + draw.randrange(200_000)
        wait_for(lambda target=target: written(host) >= target, process)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        if draw.random() < 0.3:
            rename()

    process = start(host)
    wait_for(lambda: not list((host.state / "inject").iterdir()), process)
    process.terminate()
    assert process.wait() == 0, process.communicate()[1].decode()

    logs = [*sorted(host.log.parent.glob("orders.log-*")), host.log]
    lines = host.lines(*(log for log in logs if log.exists()))
    given = [body for body, _ in lines if body.startswith(b"V")]
    own = [line for line in lines if not line[0].startswith(b"V")]

    undisturbed = machine("undisturbed", format=form, slices="0-700", lines_per_second=100_000)
    generator = undisturbed.start()
    while generator.lines < len(own):
        undisturbed.run(generator, 0.1)
    assert own == undisturbed.lines()[: len(own)]
    assert len(given) == len(set(given)) == 900
    assert turns > KILLS / 2
