#!/usr/bin/python
"""Ansible module: say what a host of the fleet is like, and record what was rolled out on it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_host
short_description: Say what a host of the fleet is like, and record what was rolled out on it
description:
  - Looks at what a preflight asks of a host, in one call, and changes nothing. So it tells whether
    the host is as it was when it was last recorded, and what differs.
  - With O(record) it records what the host is like now; with O(release), too, the release and the
    settings that it now has, and removes the oldest releases.
options:
  home:
    description: Where releases of packages are, each with a link C(current).
    type: path
    default: /opt/surgewatch
  paths:
    description: Folders in which there must be room. The nearest one that exists is looked at.
    type: list
    elements: path
    default: [/opt/surgewatch, /var/lib/surgewatch, /var/log/surgewatch]
  asked_at:
    description: When it was asked, by the asker's clock; comes back as it is.
    type: float
    default: 0
  inputs:
    description: Identifies all that the roles of the host make it of.
    type: str
  trees:
    description:
      - Files and folders of which the record has every file, its owner, group, mode and checksum.
      - Where a folder has a link C(current), only what it names.
    type: list
    elements: path
    default: []
  folders:
    description: Folders of which it has owner, group and mode, but not what is in them.
    type: list
    elements: path
    default: []
  units:
    description: Units, or patterns, of which it has whether they are active and enabled.
    type: list
    elements: str
    default: []
  record:
    description: Record what the host is like, as that which O(inputs) made.
    type: bool
    default: false
  release:
    description: Name of the set of packages that is current now.
    type: str
  settings:
    description: Digest of the settings that the host has now.
    type: str
  keep:
    description: How many releases stay, with the current one.
    type: int
    default: 3
attributes:
  check_mode:
    support: full
author:
  - The Surgewatch authors
"""

EXAMPLES = r"""
- name: Look at the host
  fleet_host:
  register: found

- name: Record what it has now
  fleet_host:
    record: true
    inputs: 2b7a9d1e5f0c
    trees: [/opt/surgewatch, /etc/surgewatch]
    release: 0.1.0-5f0c2b7a9d1e
    settings: 7a9d1e5f0c2b
"""

RETURN = r"""
clock:
  description: Seconds since the epoch, by the host's clock.
  returned: always
  type: float
asked_at:
  description: The option of that name.
  returned: always
  type: float
free_mb:
  description: How much room there is, by folder.
  returned: always
  type: dict
official_agent:
  description: Whether Amazon's Kinesis Agent runs.
  returned: always
  type: bool
unpacked:
  description: Names of packages that the system's package manager was interrupted with.
  returned: always
  type: list
  elements: str
installed:
  description: Whether a release of any package is there, whole or not.
  returned: always
  type: bool
inputs:
  description: The option of that name.
  returned: always
  type: str
as_recorded:
  description: Whether the host was, until now, as it was recorded, and the same inputs made it.
  returned: always
  type: bool
differs:
  description: What is not as it was recorded, a line each.
  returned: always
  type: list
  elements: str
slices:
  description: What C(log-generator slices --json) says; empty where it fails, and with O(record).
  returned: always
  type: str
has_state:
  description: Whether a log generator ever ran here, so that it may own slices.
  returned: always
  type: bool
record:
  description: What was last rolled out on the host to its end; empty if nothing ever was.
  returned: always
  type: dict
releases:
  description: By their names, which release of each package belongs to them.
  returned: always
  type: dict
cursor:
  description: Where the journal ends.
  returned: always
  type: str
"""

import json  # noqa: E402
import os  # noqa: E402
import shutil  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from ansible.module_utils import host_state  # noqa: E402
from ansible.module_utils.basic import AnsibleModule  # noqa: E402

STATE = Path("/var/lib/surgewatch/log-generator/state.json")
GENERATOR = "/opt/surgewatch/log_generator/current/bin/log-generator"


def free_mb(path: Path) -> int:
    """The room for files of root, where a path is or would be."""
    while not path.exists():
        path = path.parent
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize // 1_000_000


def read_json(path: Path) -> dict[str, Any]:
    """What a file holds; nothing where it is not there, or was not written to its end."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a file for all to read, whole or not at all."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(content, indent=2) + "\n")
    new.chmod(0o644)
    os.replace(new, path)


class Releases:
    """Releases of packages, `HOME/PACKAGE/RELEASE`; a file of `HOME/releases` names one of each."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.folder = home / "releases"

    def current(self) -> dict[str, str]:
        links = sorted(self._home.glob("*/current"))
        return {link.parent.name: os.readlink(link) for link in links if link.is_symlink()}

    def named(self) -> dict[str, dict[str, str]]:
        """Those of which every package is still there."""
        found = {path.stem: read_json(path) for path in self.folder.glob("*.json")}
        return {
            name: packages
            for name, packages in found.items()
            if packages
            and all((self._home / package / of).is_dir() for package, of in packages.items())
        }

    def record(self, name: str) -> None:
        """Name what is current; the file's time says when that was last so."""
        write_json(self.folder / f"{name}.json", self.current())

    def remove_old(self, keep: int) -> list[str]:
        """Keep so many names, and of each package what these and `current` need."""
        newest = sorted(self.folder.glob("*.json"), key=lambda path: -path.stat().st_mtime_ns)
        for path in newest[keep:]:
            path.unlink()
        needed = {
            (package, of) for of_all in self.named().values() for package, of in of_all.items()
        }
        needed |= set(self.current().items())
        removed = []
        for package in sorted({package for package, _ in needed}):
            for path in sorted((self._home / package).iterdir()):
                if not path.is_symlink() and (package, path.name) not in needed:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                    removed.append(f"{package}/{path.name}")
        return removed


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "home": {"type": "path", "default": "/opt/surgewatch"},
            "paths": {
                "type": "list",
                "elements": "path",
                "default": ["/opt/surgewatch", "/var/lib/surgewatch", "/var/log/surgewatch"],
            },
            "asked_at": {"type": "float", "default": 0},
            "inputs": {"type": "str"},
            "trees": {"type": "list", "elements": "path", "default": []},
            "folders": {"type": "list", "elements": "path", "default": []},
            "units": {"type": "list", "elements": "str", "default": []},
            "record": {"type": "bool", "default": False},
            "release": {"type": "str"},
            "settings": {"type": "str"},
            "keep": {"type": "int", "default": 3},
        },
        required_together=[("release", "settings")],
        required_if=[("record", True, ["inputs"])],
        supports_check_mode=True,
    )
    home = Path(module.params["home"])
    releases = Releases(home)
    path = home / "rolled-out.json"
    record = read_json(path)
    changed = False

    def said_by(*command: str) -> str:
        try:
            return module.run_command(list(command), handle_exceptions=False)[1]
        except OSError:  # the command is not there
            return ""

    if module.params["release"]:
        now = {name: module.params[name] for name in ("release", "settings")}
        changed = record != now or module.params["release"] not in releases.named()
        if changed and not module.check_mode:
            releases.record(module.params["release"])
            write_json(path, now)
            record = now
            releases.remove_old(module.params["keep"])

    note = home / "checked.json"
    checked = read_json(note)
    places = [[Path(each) for each in module.params[name]] for name in ("trees", "folders")]
    state = host_state.read(*places, module.params["units"], said_by)
    state["file"].pop(str(note), None)
    differs = host_state.differences(checked["state"], state) if checked else []
    # Bookkeeping, of which it is no news that it is renewed: what was changed, the roles have said.
    if module.params["record"] and not module.check_mode:
        write_json(note, {"inputs": module.params["inputs"], "state": state})

    asks_slices = STATE.exists() and not module.params["record"]
    agent = said_by("systemctl", "is-active", "aws-kinesis-agent.service").strip()
    cursor = said_by("journalctl", "--lines=0", "--show-cursor", "--quiet")
    module.exit_json(
        changed=changed,
        clock=time.time(),
        asked_at=module.params["asked_at"],
        inputs=module.params["inputs"],
        free_mb={each: free_mb(Path(each)) for each in module.params["paths"]},
        official_agent=agent == "active",
        unpacked=[
            line.split()[0]
            for line in said_by("dpkg", "--audit").splitlines()
            if line.startswith(" ") and line.split()
        ],
        installed=bool(releases.current()),
        as_recorded=bool(checked) and checked["inputs"] == module.params["inputs"] and not differs,
        differs=differs,
        has_state=STATE.exists(),
        slices=said_by(GENERATOR, "slices", "--json") if asks_slices else "",
        record=record,
        releases=releases.named(),
        cursor=cursor.strip().removeprefix("-- cursor: "),
    )


if __name__ == "__main__":
    main()
