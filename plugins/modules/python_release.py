#!/usr/bin/python
"""Ansible module: make a release of a Python project, ready to be unpacked on other hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: python_release
short_description: Make a release of a Python project, ready to be unpacked on other hosts
description:
  - Builds the project's wheel, and those of the folders that it names as its C(tool.uv.sources);
    gets the wheels that its C(requirements.txt) locks, checked against their hashes, for the
    Python and the machine of the hosts; and installs all of them into a virtual environment, which
    is packed into one archive on the control node. Hosts need no more than that Python.
  - The archive is named after what went in, so that what did not change is not built again.
options:
  source:
    description: Folder of the project, with C(pyproject.toml) and C(requirements.txt).
    type: path
    required: true
  home:
    description: Folder on the hosts that the archive is unpacked in, into one named as the release.
    type: str
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
- name: Make the release of the agent for the hosts
  python_release:
    source: files/kinesis_agent
    home: /opt/surgewatch/kinesis_agent
    python: "3.11"
    machine: x86_64
    dest: build/releases
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

import compileall  # noqa: E402
import fcntl  # noqa: E402
import gzip  # noqa: E402
import hashlib  # noqa: E402
import os  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402
import tarfile  # noqa: E402
import tempfile  # noqa: E402
import tomllib  # noqa: E402
from pathlib import Path  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402

LAYOUT = "1"  # to be raised when this module builds otherwise
# What wheels are made for that Debian 12 and newer, Ubuntu 24.04 and Amazon Linux 2023 all take.
PLATFORM = "manylinux_2_34"
TIME = 315532800  # 1980-01-01: of every file, so that an archive is the same whenever it is made


def shared(source: Path) -> list[Path]:
    """The folders of projects here that a project needs."""
    project = tomllib.loads((source / "pyproject.toml").read_text())
    sources = project.get("tool", {}).get("uv", {}).get("sources", {})
    return [(source / each["path"]).resolve() for each in sources.values()]


def digest(projects: list[Path], *more: str) -> str:
    """Identify the projects' content, whatever the order and times of their files."""
    found = hashlib.sha256("\0".join((LAYOUT, *more)).encode())
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


def script(place: str, entry: str) -> str:
    """The text of a command that calls the function `entry`, as `package.module:function`."""
    module, function = entry.split(":")
    return (
        f"#!{place}/bin/python\nimport sys\n\n"
        f"from {module} import {function}\n\nsys.exit({function}())\n"
    )


def build(module: AnsibleModule, projects: list[Path], place: str, tree: Path) -> None:
    """Make the virtual environment that is to be at `place`; the first project's commands in it."""
    python, machine = module.params["python"], module.params["machine"]
    source = projects[0]
    site = tree / f"lib/python{python}/site-packages"
    wheels = tree.with_name("wheels")
    uv = [sys.executable, "-m", "uv"]
    for project in projects:
        made = ["build", "--wheel", "--no-build-isolation", "--quiet", "--out-dir", str(wheels)]
        module.run_command([*uv, *made, str(project)], check_rc=True)
    install = [*uv, "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
    install += [f"--target={site}", f"--python-version={python}"]
    install += [f"--python-platform={machine}-{PLATFORM}"]
    lock = source / "requirements.txt"
    if lock.read_text().strip():
        module.run_command([*install, "--require-hashes", f"--requirement={lock}"], check_rc=True)
    built = sorted(map(str, wheels.glob("*.whl")))
    module.run_command([*install, "--no-index", *built], check_rc=True)

    # Whatever depends on this machine or day, and commands for a Python that is not the hosts'.
    for path in (site / ".lock", *site.glob("*.dist-info/direct_url.json")):
        path.unlink(missing_ok=True)
    shutil.rmtree(site / "bin", ignore_errors=True)
    (tree / "bin").mkdir()
    (tree / "bin/python").symlink_to(f"/usr/bin/python{python}")
    scripts = tomllib.loads((source / "pyproject.toml").read_text())["project"]["scripts"]
    for name, entry in scripts.items():
        (tree / "bin" / name).write_text(script(place, entry))
        (tree / "bin" / name).chmod(0o755)
    (tree / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    for path in tree.rglob("*"):
        os.utime(path, (TIME, TIME), follow_symlinks=False)
    if python == ".".join(map(str, sys.version_info[:2])):  # else the hosts compile it
        compileall.compile_dir(site, quiet=2, stripdir=str(tree), prependdir=place)


def pack(tree: Path, archive: Path) -> None:
    """Write the files of root, all of one time."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mode = 0o755 if member.mode & 0o100 or not member.isfile() else 0o644
        member.mtime = TIME
        return member

    with (
        gzip.GzipFile(archive, "wb", compresslevel=6, mtime=TIME) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        tar.add(tree, arcname=".", filter=plain)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "home": {"type": "str", "required": True},
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
    made_for = [module.params[name] for name in ("home", "python", "machine")]
    release = f"{version}-{digest(projects, *made_for)}"
    archive = dest / f"{source.name}-{release}.tar.gz"
    result = {"release": release, "path": str(archive)}
    if archive.exists() or module.check_mode:
        module.exit_json(changed=not archive.exists(), sha256=sha256(archive), **result)

    dest.mkdir(parents=True, exist_ok=True)
    with (dest / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several hosts may ask for the same one at once
        if archive.exists():
            module.exit_json(changed=False, sha256=sha256(archive), **result)
        with tempfile.TemporaryDirectory(dir=dest) as scratch:
            tree = Path(scratch, "tree")
            build(module, projects, f"{module.params['home']}/{release}", tree)
            unfinished = Path(scratch, archive.name)
            pack(tree, unfinished)
            os.replace(unfinished, archive)
    module.exit_json(changed=True, sha256=sha256(archive), **result)


if __name__ == "__main__":
    main()
