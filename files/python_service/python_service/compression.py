"""Compressed files, told by what they are and not by how they are called."""

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from typing import Any

try:
    from backports import zstd
except ImportError:  # on hosts
    zstd = None

PEEKED = 10
"""Bytes at the beginning that tell what a file is."""
_MAGIC = {
    "gz": re.compile(rb"\x1f\x8b\x08"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    # The letters alone may begin a line of text; a block's number, or the end's, follows them.
    "bz2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "zst": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
    "zip": re.compile(rb"PK(\x03\x04|\x05\x06)"),
}
_OPENERS: dict[str, Any] = {"gz": gzip.open, "xz": lzma.open, "bz2": bz2.open}
_DAMAGED = [zlib.error, lzma.LZMAError, zipfile.BadZipFile]
if zstd:
    _OPENERS["zst"] = zstd.open
    _DAMAGED.append(zstd.ZstdError)


class CompressionError(OSError):
    """A compressed file ends early, is corrupt, or cannot be read here."""


def kind(file: io.BufferedReader) -> str | None:
    """`gz`, `xz`, `bz2`, `zst`, `zip`, or None for what is none of them; nothing is taken."""
    start = file.peek(PEEKED)
    return next((name for name, magic in _MAGIC.items() if magic.match(start)), None)


def unpacked(file: io.BufferedReader) -> io.BufferedReader:
    """What a file holds that may be compressed; of a zip, its one file.

    Raises CompressionError: here where it cannot be read at all, and from a read at the place where
    it is damaged, once everything before has been given.
    """
    found = kind(file)
    if found is None:
        return file
    if found == "zip":
        archive = opened_zip(file)
        names = [member.filename for member in members(archive)]
        if len(names) != 1:
            raise CompressionError(f"the zip holds {len(names)} files, not one: unpack it")
        return opened_member(archive, names[0])
    if found not in _OPENERS:
        raise CompressionError(
            "zst is read on the control node only, for want of backports.zstd: unpack it (zstd -d)"
        )
    return io.BufferedReader(_Unpacked(_OPENERS[found](file)))


def opened_zip(file: io.BufferedReader) -> zipfile.ZipFile:
    """The archive; CompressionError where it is damaged or comes through a pipe."""
    if not file.seekable():
        raise CompressionError("a zip cannot be read from a pipe: give its path")
    try:
        return zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise CompressionError(f"the zip is damaged: {error}") from error


def members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files of a zip, without folders and what a Mac adds (`__MACOSX/`, `.DS_Store`)."""
    return [
        member
        for member in archive.infolist()
        if not member.is_dir()
        and not any(
            part == "__MACOSX" or part.startswith(".") for part in member.filename.split("/")
        )
    ]


def opened_member(archive: zipfile.ZipFile, name: str) -> io.BufferedReader:
    """What a file of a zip holds, as `unpacked`, also where that is compressed once more."""
    try:
        inner = io.BufferedReader(_Unpacked(archive.open(name)))
    except (RuntimeError, zipfile.BadZipFile) as error:  # it has a password, or another method
        raise CompressionError(f"the zip cannot be read: {error}") from error
    return inner if kind(inner) in (None, "zip") else unpacked(inner)


class _Unpacked(io.RawIOBase):
    """Reads on, and says alike of all kinds what is wrong."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            # One read of what is below: a longer one would lose what it had when the next fails.
            data = self._source.read1(len(buffer))
        except EOFError as error:
            raise CompressionError("it ends early, its rest is missing") from error
        except (OSError, *_DAMAGED) as error:
            raise CompressionError(f"it is damaged: {error}") from error
        buffer[: len(data)] = data
        return len(data)
