#!/usr/bin/python
"""Ansible module: pack Lambda functions into archives that are the same bytes wherever built."""

from __future__ import annotations

DOCUMENTATION = r"""
module: function_zips
short_description: Pack Lambda functions with what they depend on, reproducibly
description:
  - Packs every folder of I(source) that has a C(pyproject.toml) into an archive on the control
    node, together with the package C(common) and with the wheels that its C(requirements.txt)
    locks. Only wheels of pure Python are taken, so that one archive runs on any architecture.
  - botocore is packed with the models of those services alone that C(tool.surgewatch.services) in
    the C(pyproject.toml) names.
  - The archives are the same bytes whatever Python, machine or day they are built on (nothing is
    compressed, as compressors differ), and named after what went in, so that what did not change
    is not built again.
options:
  source:
    description: Folder of the functions.
    type: path
    required: true
  dest:
    description: Folder that keeps the archives. Those of earlier versions are removed.
    type: path
    required: true
attributes:
  check_mode:
    support: partial
    description: Archives are built in check mode, too; without them no function can be compared.
author:
  - The Surgewatch authors
"""

EXAMPLES = r"""
- name: Pack the functions
  function_zips:
    source: lambdas
    dest: build/functions
  register: zips

- name: Make a function
  amazon.aws.lambda:
    name: order_writer
    zip_file: "{{ zips.paths.order_writer }}"
    handler: order_writer.handler.lambda_handler
"""

RETURN = r"""
paths:
  description: The archive of each function.
  returned: always
  type: dict
  sample: {order_writer: build/functions/order_writer-5f0c2b7a9d1e.zip}
built:
  description: The functions whose archives were built now.
  returned: always
  type: list
  elements: str
"""

import fcntl  # noqa: E402
import hashlib  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import tomllib  # noqa: E402
import zipfile  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402

PYTHON = "3.11"  # the oldest that runs the functions: its wheels serve the later ones
LAYOUT = "1"  # to be raised when this module packs otherwise


def digest(source: Path, function: str) -> str:
    """Identify what goes into the archive of a function."""
    found = hashlib.sha256(LAYOUT.encode())
    for folder in (source / "common", source / function):
        for path in own_files(folder):
            found.update(f"\0{path.relative_to(source)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:12]


def own_files(folder: Path) -> Iterator[Path]:
    """The files of a function or of what functions share, in order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def is_packed(path: Path, services: set[str]) -> bool:
    """Whether a file of an installed wheel is of use in a function."""
    top, *inner = path.parts
    if top == "bin" or top.endswith(".dist-info"):
        return False
    if path.parts[:2] == ("botocore", "data") and len(inner) > 2:
        return inner[1] in services and not path.name.startswith("examples")
    return True


def build(module: AnsibleModule, source: Path, function: str, archive: Path) -> None:
    """Write the archive of one function."""
    from repro_zipfile import ReproducibleZipFile

    folder = source / function
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    services = set(project["tool"]["surgewatch"]["services"])
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        site = Path(scratch, "site")
        install = ["-m", "uv", "pip", "install", "--quiet", "--target", str(site)]
        pure = ["--no-deps", "--require-hashes", "--only-binary=:all:"]
        lock = [f"--python-version={PYTHON}", "--requirement", str(folder / "requirements.txt")]
        module.run_command([sys.executable, *install, *pure, *lock], check_rc=True)
        if native := [path.name for path in site.rglob("*.so*")]:
            module.fail_json(msg=f"{function} depends on more than pure Python: {native}")
        members = {path.relative_to(site): path for path in own_files(site)}
        members = {name: path for name, path in members.items() if is_packed(name, services)}
        for path in (*own_files(source / "common"), *own_files(folder)):
            if path.name not in ("pyproject.toml", "requirements.txt"):
                members[path.relative_to(source)] = path
        unfinished = Path(scratch, archive.name)
        with ReproducibleZipFile(unfinished, "w", compression=zipfile.ZIP_STORED) as archived:
            for name, path in sorted(members.items()):
                archived.write(path, name)
        os.replace(unfinished, archive)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "dest": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    source, dest = Path(module.params["source"]).absolute(), Path(module.params["dest"]).absolute()
    functions = sorted(path.parent.name for path in source.glob("*/pyproject.toml"))
    if not functions:
        module.fail_json(msg=f"there is no function in {source}")
    paths = {name: dest / f"{name}-{digest(source, name)}.zip" for name in functions}
    dest.mkdir(parents=True, exist_ok=True)
    with (dest / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [name for name in functions if not paths[name].exists()]
        for name in missing:
            build(module, source, name, paths[name])
        for old in set(dest.glob("*.zip")) - set(paths.values()):
            old.unlink()
    module.exit_json(
        changed=bool(missing),
        built=missing,
        paths={name: str(path) for name, path in paths.items()},
    )


if __name__ == "__main__":
    main()
