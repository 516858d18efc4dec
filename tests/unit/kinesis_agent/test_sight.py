"""What a pattern finds, with the rights that a service has."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from kinesis_agent.sight import look

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that any user may enter, unlike tmp_path."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def problems(pattern: Path) -> list[str]:
    """Return how many files match, and what is said of the others, to somebody who is not root."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        found = look(str(pattern))
        os.write(writer, "\n".join([str(found.files), *found.problems]).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    os.waitpid(child, 0)
    return text.splitlines()


@pytest.mark.parametrize(
    ("mode", "pattern", "reason"),
    [
        (0o000, "closed/app.log", "closed may not be looked into"),
        (0o000, "closed/deep/app.log", "closed may not be looked into"),
        (0o000, "closed/*.log", "closed may not be looked into"),
        (0o444, "closed/*.log", "closed may not be looked into"),
        (0o000, "closed/deep/*.log", "closed may not be looked into"),
        (0o000, "*/app.log", "closed may not be looked into"),
    ],
)
def test_a_directory_that_is_closed(folder: Path, mode: int, pattern: str, reason: str) -> None:
    closed = folder / "closed"
    (closed / "deep").mkdir(parents=True)
    (closed / "app.log").touch()
    closed.chmod(mode)
    try:
        found = problems(folder / pattern)
    finally:
        closed.chmod(0o755)
    assert found == ["0", f"{folder}/{reason}"]


def test_files_of_all_kinds(folder: Path) -> None:
    (folder / "a.log").touch()
    (folder / "b.log").touch(0o000)
    (folder / "b.log").chmod(0o000)
    (folder / "c.log").mkdir()
    os.mkfifo(folder / "d.log")
    (folder / "e.log").symlink_to("nowhere")
    (folder / ".f.log").touch(0o000)
    assert problems(folder / "*.log") == [
        "2",
        f"{folder}/d.log is no regular file and is not read",
        f"{folder}/b.log may not be read",
    ]
    assert problems(folder / "{a,e}.log") == ["1"]
    assert problems(folder / "c.log") == [
        "0",
        f"{folder}/c.log is a directory; its files would be {folder}/c.log/*",
    ]


def test_a_link_that_is_not_followed(folder: Path) -> None:
    (folder / "secret").write_text("secret")
    (folder / "a.log").symlink_to("secret")
    assert problems(folder / "*.log") == ["1"]
    os.chown(folder / "a.log", 12345, -1, follow_symlinks=False)
    _, problem = problems(folder / "*.log")
    assert problem.startswith(f"{folder}/a.log is not followed: user 12345 made the link")
