#!/usr/bin/python
"""Ansible module: collect a Python project and its locked dependencies for other hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: python_wheelhouse
short_description: Collect a Python project and its locked dependencies for hosts without an index
description:
  - Builds the project's wheel, and those of the folders that it names as its C(tool.uv.sources);
    downloads the wheels that its C(requirements.txt) locks, for the
    Python and the machine of the hosts, and packs both into one archive on the control node.
  - The archive is named after its content, so that what did not change is not built again.
  - Beside the wheels lies a C(requirements.txt) that names what was built as well, each with its
    hash, for C(pip install --no-index --find-links . --require-hashes).
options:
  source:
    description: Folder of the project, with C(pyproject.toml) and C(requirements.txt).
    type: path
    required: true
  python:
    description: Minor version of the hosts' Python, as C(3.11).
    type: str
    required: true
  machine:
    description: The hosts' architecture, as C(uname -m) says it.
    type: str
    required: true
  dest:
    description: Folder that keeps the archives.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Says whether it would build.
author:
  - The Surgewatch authors
"""

EXAMPLES = r"""
- name: Collect the agent for the hosts
  python_wheelhouse:
    source: files/kinesis_agent
    python: "3.11"
    machine: x86_64
    dest: build/wheelhouses
  delegate_to: localhost
"""

RETURN = r"""
release:
  description: Version of the project, and a digest of its files and of whom it was built for.
  returned: always
  type: str
  sample: 0.1.0-5f0c2b7a9d1e
path:
  description: The archive.
  returned: always
  type: str
sha256:
  description: What the archive must be; empty where check mode did not build it.
  returned: always
  type: str
"""

import fcntl  # noqa: E402
import hashlib  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import tarfile  # noqa: E402
import tempfile  # noqa: E402
import tomllib  # noqa: E402
from pathlib import Path  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402


def shared(source: Path) -> list[Path]:
    """The folders of projects here that a project needs."""
    project = tomllib.loads((source / "pyproject.toml").read_text())
    sources = project.get("tool", {}).get("uv", {}).get("sources", {})
    return [(source / each["path"]).resolve() for each in sources.values()]


def digest(projects: list[Path], *more: str) -> str:
    """Identify the projects' content, whatever the order and times of their files."""
    found = hashlib.sha256("\0".join(more).encode())
    for project in projects:
        for path in sorted(project.rglob("*")):
            inner = path.relative_to(project)
            if path.is_file() and not any(
                part == "__pycache__" or part.endswith(".egg-info") for part in inner.parts
            ):
                found.update(f"\0{inner}\0".encode() + path.read_bytes())
    return found.hexdigest()[:12]


def sha256(archive: Path) -> str:
    """The checksum of an archive; empty where there is none."""
    return hashlib.sha256(archive.read_bytes()).hexdigest() if archive.exists() else ""


def platforms(machine: str) -> list[str]:
    """Wheel platforms that Debian 12 and newer, Ubuntu 24.04 and Amazon Linux 2023 all take."""
    return [f"manylinux{tag}_{machine}" for tag in ("2014", "_2_17", "_2_28", "_2_34")]


def build(module: AnsibleModule, projects: list[Path], folder: Path) -> None:
    """Fill the folder with the wheels and their hashed requirements; the first is the project."""
    source = projects[0]
    python, machine = module.params["python"], module.params["machine"]
    run = [sys.executable, "-m", "uv", "build", "--wheel", "--no-build-isolation", "--quiet"]
    for project in projects:
        module.run_command([*run, "--out-dir", str(folder), str(project)], check_rc=True)
    (folder / ".gitignore").unlink(missing_ok=True)
    built = sorted(folder.glob("*.whl"))
    lock = (source / "requirements.txt").read_text()
    run = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    run += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    run += [f"--platform={name}" for name in platforms(machine)]
    run += ["--dest", str(folder), "-r", str(source / "requirements.txt")]
    if lock.strip():
        module.run_command(run, check_rc=True)
    lines = [lock]
    for wheel in built:
        name, version = wheel.name.split("-")[:2]
        lines.append(
            f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"
        )
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "python": {"type": "str", "required": True},
            "machine": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    source, dest = Path(module.params["source"]), Path(module.params["dest"])
    try:
        version = tomllib.loads((source / "pyproject.toml").read_text())["project"]["version"]
        projects = [source, *shared(source)]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        module.fail_json(msg=f"{source} is no Python project: {error!r}")
    built_for = digest(projects, module.params["python"], module.params["machine"])
    archive = dest / f"{source.name}-{version}-{built_for}.tar.gz"
    result = {"release": f"{version}-{built_for}", "path": str(archive)}
    if archive.exists() or module.check_mode:
        module.exit_json(changed=not archive.exists(), sha256=sha256(archive), **result)

    dest.mkdir(parents=True, exist_ok=True)
    with (dest / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several hosts may ask for the same one at once
        if archive.exists():
            module.exit_json(changed=False, sha256=sha256(archive), **result)
        with tempfile.TemporaryDirectory(dir=dest) as scratch:
            folder = Path(scratch, "wheels")
            folder.mkdir()
            build(module, projects, folder)
            unfinished = Path(scratch, archive.name)
            with tarfile.open(unfinished, "w:gz") as tar:
                tar.add(folder, arcname=".")
            os.replace(unfinished, archive)
    module.exit_json(changed=True, sha256=sha256(archive), **result)


if __name__ == "__main__":
    main()
