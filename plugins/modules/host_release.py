#!/usr/bin/python
"""Ansible module: unpack a release on a host, or say whether the current one is whole."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_release
short_description: Unpack a release on a host, or say whether the current one is whole
description:
  - Without O(archive) it says which release is the current one, and whether all its files are as
    they were unpacked.
  - With it, the release is unpacked where it is missing or not whole, and appears at once.
options:
  home:
    description: Folder of the releases, with a link C(current).
    type: path
    required: true
  release:
    description: Name of the release.
    type: str
    required: true
  archive:
    description: An archive on the host. It is removed.
    type: path
  sha256:
    description: What the archive must be; another one is refused before it is unpacked.
    type: str
  python:
    description: Command of the Python that runs the release, by which it is compiled.
    type: path
attributes:
  check_mode:
    support: full
author:
  - The Surgewatch authors
"""

EXAMPLES = r"""
- name: Unpack the release
  host_release:
    home: /opt/surgewatch/kinesis_agent
    release: 0.1.0-5f0c2b7a9d1e
    archive: /opt/surgewatch/kinesis_agent/release.tar.gz
    sha256: "{{ made.sha256 }}"
    python: /usr/bin/python3.11
"""

RETURN = r"""
current:
  description: Name of the current release; empty where the link names none.
  returned: always
  type: str
whole:
  description: Whether all files of the release are as they were unpacked.
  returned: always
  type: bool
"""

import hashlib  # noqa: E402
import os  # noqa: E402
import tarfile  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

from ansible.module_utils import host_state  # noqa: E402
from ansible.module_utils.basic import AnsibleModule  # noqa: E402

SUM = ".sum"  # of all other files of the release


def sum_of(folder: Path) -> str:
    """Identify all that is in a folder, with owners and modes."""
    digest = hashlib.sha256()
    for name, text in host_state.tree(folder):
        inner = os.path.relpath(name, folder)
        if inner != SUM:
            digest.update(f"{inner} {text}\n".encode())
    return digest.hexdigest()


def is_whole(folder: Path) -> bool:
    try:
        return (folder / SUM).read_text() == sum_of(folder)
    except OSError:
        return False


def current(home: Path) -> str:
    """The release that the link names; a link to what is not there is no release."""
    link = home / "current"
    return os.readlink(link) if link.is_symlink() and link.exists() else ""


def unpack(module: AnsibleModule, folder: Path, archive: Path) -> None:
    """Put the folder in its place once it is complete."""
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != module.params["sha256"]:
        module.fail_json(
            msg=f"{archive} is another archive than was built: its SHA-256 is {digest}"
        )
    with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as scratch:
        new = Path(scratch, "new")
        new.mkdir()
        new.chmod(0o755)
        # Newer Pythons want to be told to keep a link out of the folder, as bin/python is.
        options = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
        with tarfile.open(archive) as packed:
            packed.extractall(new, **options)
        if module.params["python"]:  # quick where it is compiled already
            command = [module.params["python"], "-m", "compileall", "-q", str(new / "lib")]
            module.run_command([*command, "-s", str(new), "-p", str(folder)])
        (new / SUM).write_text(sum_of(new))
        if folder.exists():
            os.replace(folder, Path(scratch, "old"))
        os.replace(new, folder)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "home": {"type": "path", "required": True},
            "release": {"type": "str", "required": True},
            "archive": {"type": "path"},
            "sha256": {"type": "str"},
            "python": {"type": "path"},
        },
        required_together=[("archive", "sha256")],
        supports_check_mode=True,
    )
    home = Path(module.params["home"])
    folder = home / module.params["release"]
    whole = is_whole(folder)
    archive = module.params["archive"] and Path(module.params["archive"])
    changed = bool(archive) and not whole
    if archive and not module.check_mode:
        if not whole:
            unpack(module, folder, archive)
        archive.unlink()
        whole = True
    module.exit_json(changed=changed, current=current(home), whole=whole)


if __name__ == "__main__":
    main()
