"""Show the journal of the stack's units on one host, or on all."""

import argparse
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from console import stack as stacks
from console.errors import ConsoleError
from console.hosts import command_on
from console.terminal import err, line, out

USES_STACK = True
# A process on a host does not end with the client that started it, unless it looks.
UNTIL_STDIN_ENDS = ["sh", "-c", '"$@" & cat >/dev/null; kill $!', "sh"]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", nargs="?", metavar="HOST", help="default: all")
    parser.add_argument("-u", "--unit", help="kinesis-agent, say; default: all of the stack's")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what comes")


def run(options: argparse.Namespace) -> int:
    stack = stacks.load()
    if options.host and options.host not in stack.hosts:
        raise ConsoleError(
            f"{options.host} is no host that runs: {', '.join(stack.hosts) or 'none'}"
        )
    if not stack.hosts:
        raise ConsoleError("No host of the stack runs.")
    journal = journal_command(options.unit, options.follow)
    hosts = [options.host] if options.host else stack.hosts
    commands = {host: command_on(stack, host, journal) for host in hosts}
    if options.follow:
        return _follow(commands)
    with ThreadPoolExecutor(len(hosts)) as pool:
        answers = list(pool.map(_read, commands.values()))
    lines = by_time(line for lines, _ in answers for line in lines)
    for entry in lines:
        out.print(line(entry))
    if not lines:
        err.print("Nothing there: no such unit on these hosts, or one that has said nothing.")
    return max(code for _, code in answers)


def journal_command(unit: str | None, follow: bool) -> list[str]:
    """journalctl for a unit, by its whole name or without "surgewatch-"; or for all of ours."""
    units = [f"surgewatch-{unit}", unit] if unit else ["surgewatch-*", "mariadb", "nginx"]
    command = [
        "journalctl",
        "--utc",
        "--output=short-iso-precise",
        "--no-pager",
        "--quiet",
        "--lines=200",
    ]
    command += [f"--unit={name}" for name in units]
    return [*UNTIL_STDIN_ENDS, *command, "--follow"] if follow else command


def by_time(lines: Iterable[str]) -> list[str]:
    """Lines that begin with their time, in UTC; those of one moment stay in their order."""
    return sorted(lines, key=lambda line: line.partition(" ")[0])


def _read(command: list[str]) -> tuple[list[str], int]:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace"
    )
    return done.stdout.removesuffix("\n").split("\n") if done.stdout else [], done.returncode


def _follow(commands: dict[str, list[str]]) -> int:
    """Print the hosts' lines as they come, until Ctrl-C."""
    err.print("Ctrl-C ends it.", style="dim")
    followers = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace"
        )
        for command in commands.values()
    ]
    with ThreadPoolExecutor(len(followers)) as pool:
        try:
            return max(pool.map(_pass_on, followers))
        finally:
            for follower in followers:
                follower.terminate()


def _pass_on(follower: subprocess.Popen[str]) -> int:
    for text in follower.stdout or ():
        out.print(line(text.removesuffix("\n")))
    return follower.wait()
