"""How the hosts are: their units, and what their services say of themselves."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from console import playbook
from console.hosts import command_on, is_container
from console.playbook import End, Event, Result
from console.stack import ROOT, Stack

PREFIX, SUFFIX = "surgewatch-", ".service"


@dataclass
class Host:
    """A host's units (name to state), its services' status, and what is wrong with it."""

    name: str
    units: dict[str, str] = field(default_factory=dict)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


@dataclass
class Health:
    """All hosts; `faults` are those of the stack as a whole."""

    hosts: list[Host]
    faults: list[str]

    @property
    def well(self) -> bool:
        return not self.faults and not any(host.faults for host in self.hosts)

    def services(self, unit: str) -> list[dict[str, Any]]:
        """The status of a service on each host that has it."""
        return [host.services[unit] for host in self.hosts if unit in host.services]


QUESTION = ROOT / "plugins/module_utils/host_health.py"
GROUPS = ("generators", "regions", "event_source", "analytics")


def ask(stack: Stack) -> Health:
    """Ask all hosts: containers at once and with one call each, others by playbooks/health.yml."""
    names = sorted({host for group in GROUPS for host in stack.groups.get(group, ())})
    if not all(is_container(stack, name) for name in names):
        return collect(playbook.run("playbooks/health.yml"))
    with ThreadPoolExecutor(len(names) or 1) as threads:
        hosts = list(threads.map(lambda name: _ask_container(stack, name), names))
    missing = {each["name"] for each in stack["hosts_containers"]}.difference(names)
    hosts += [Host(name, faults=["not running"]) for name in missing]
    return Health(sorted(hosts, key=lambda host: host.name), [])


def _ask_container(stack: Stack, name: str) -> Host:
    services = [
        {key: service[key] for key in ("unit", "command")}
        for service in stack["surgewatch_services"]
        if name in stack.groups.get(service["group"], ())
    ]
    command = command_on(stack, name, ["python3", "-", json.dumps(services)])
    asked = subprocess.run(command, input=QUESTION.read_bytes(), capture_output=True)
    try:
        return _host(name, json.loads(asked.stdout))
    except ValueError:
        said = asked.stderr.decode(errors="replace").strip().splitlines()
        reached = asked.returncode != 125  # what podman itself fails with
        return Host(name, faults=said[-1:] if reached and said else ["cannot be reached"])


def collect(events: Iterable[Event]) -> Health:
    """Read the health from the events of the playbook."""
    hosts: dict[str, Host] = {}
    faults: list[str] = []
    texts: list[str] = []
    for event in events:
        match event:
            case Result(host, "failed" | "unreachable" as outcome, details):
                reached = outcome != "unreachable"
                message = str(details.get("msg", outcome)) if reached else "cannot be reached"
                if host == "localhost":
                    faults += message.splitlines()
                else:
                    hosts.setdefault(host, Host(host)).faults.append(message)
            case End(code, stats):
                for name, found in stats.items():
                    if "health" in found:
                        hosts[name] = _host(name, found["health"])
                faults = [fault for fault in faults if not _is_of_a_host(fault, hosts)]
                if code and not faults and not any(host.faults for host in hosts.values()):
                    faults.append("\n".join(texts) or f"ansible-playbook ended with {code}")
            case playbook.Text(line):
                texts.append(line)
    return Health([hosts[name] for name in sorted(hosts)], faults)


def _is_of_a_host(fault: str, hosts: dict[str, Host]) -> bool:
    """Whether the playbook's last task names a host; what is not known of it yet is noted there."""
    name, _, text = fault.partition(": ")
    if text == "not running":
        hosts.setdefault(name, Host(name))
    if name not in hosts:
        return False
    if not hosts[name].faults:
        hosts[name].faults.append(text)
    return True


def _host(name: str, found: Mapping[str, Any]) -> Host:
    states = dict.fromkeys(found["wanted"], "missing")
    states |= {unit["unit"]: unit["active"] for unit in found["units"]}
    return Host(
        name,
        units={_short(unit): state for unit, state in states.items() if unit.endswith(SUFFIX)},
        services={_short(unit): _status(answer) for unit, answer in found["answers"].items()},
        faults=[fault.replace(SUFFIX, "").replace(PREFIX, "") for fault in found["faults"]],
    )


def _short(unit: str) -> str:
    return unit.removeprefix(PREFIX).removesuffix(SUFFIX)


def _status(answer: str) -> dict[str, Any]:
    """A service's `status --json`; empty where it did not answer."""
    try:
        status = json.loads(answer)
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def describe(unit: str, status: Mapping[str, Any]) -> str:
    """A service's status in a few words, its lag above all."""
    if not status.keys() - {"faults"}:  # it left nothing else
        return ""
    match unit:
        case "log-generator":
            paused = f", paused: {status['paused']}" if status["paused"] else ""
            refused = status.get("refused_orders")
            orders = f", {refused:,} orders refused" if refused else ""
            return f"{status['lines_written']:,} lines written{orders}{paused}"
        case "kinesis-agent":
            return "; ".join(_describe_flow(flow) for flow in status["flows"])
        case "event-source":
            return "; ".join(_describe_mapping(mapping) for mapping in status["mappings"])
        case "analytics":
            return (
                f"{status['records_read']:,} records read, {status['alarms_sent']:,} alarms sent, "
                f"{_behind(status['lag_seconds'])}, {len(status['open_incidents'])} open"
            )
    return ""


def _describe_flow(flow: Mapping[str, Any]) -> str:
    return (
        f"{flow['records_sent']:,} records to {flow['destination']}, "
        f"{_behind(flow['seconds_behind'])}{_error(flow)}"
    )


def _describe_mapping(mapping: Mapping[str, Any]) -> str:
    return (
        f"{mapping['records']:,} records to {mapping['function']}, "
        f"{_behind(mapping['lag_seconds'])}{_error(mapping)}"
    )


def _behind(seconds: float | None) -> str:
    return "nothing read yet" if seconds is None else f"{seconds:.1f} s behind"


def _error(status: Mapping[str, Any]) -> str:
    return f", {status['last_error']}" if status.get("last_error") else ""


def counts(
    health: Health, streams: Mapping[str, Mapping[str, Any]], prefix: str
) -> dict[str, dict[str, int | None]]:
    """Of orders, requests and alarms, how many passed each stage that our services count.

    `streams` are `surgewatch_streams`; `prefix` stands before the functions' names. None where no
    service said.
    """
    written = _sum(s.get("lines_written") for s in health.services("log-generator"))
    found: dict[str, dict[str, int | None]] = {
        "orders": {"written": written, **_carried(health, streams, "orders")},
        "requests": _carried(health, streams, "access"),
        "alarms": {"recorded": _handled(health, f"{prefix}alarm_recorder")},
    }
    found["orders"]["stored"] = _handled(health, f"{prefix}order_writer")
    return found


def _carried(
    health: Health, streams: Mapping[str, Mapping[str, Any]], key: str
) -> dict[str, int | None]:
    """How many records of a stream the agents sent, and the engine read."""
    to = f"KinesisStream:{streams[key]['name']}"
    return {
        "shipped": _sum(
            flow["records_sent"]
            for status in health.services("kinesis-agent")
            for flow in status.get("flows", ())
            if flow["destination"] == to
        ),
        "on the stream": _sum(
            status["streams"][key]["counts"]["records_read"]
            for status in health.services("analytics")
            if key in status.get("streams", ())
        ),
    }


def _handled(health: Health, function: str) -> int | None:
    """How many records a function has done with."""
    return _sum(
        mapping["records"]
        for status in health.services("event-source")
        for mapping in status.get("mappings", ())
        if mapping["function"] == function
    )


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
