"""As much of CBOR (RFC 8949) as PutRecords needs."""

import struct
from functools import lru_cache
from typing import Any

_BREAK = object()


@lru_cache(maxsize=4096)
def head(major: int, value: int) -> bytes:
    """Write an item's type and its length or value."""
    if value < 24:
        return bytes([major << 5 | value])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << 8 * size:
            return bytes([major << 5 | info]) + value.to_bytes(size, "big")
    raise ValueError(value)


def text(value: str) -> bytes:
    """Write a text."""
    data = value.encode()
    return head(3, len(data)) + data


def decode(data: bytes) -> Any:
    """Read an item; raise ValueError where there is none."""
    try:
        return _Decoder(data).item()
    except (IndexError, struct.error, TypeError, UnicodeDecodeError, RecursionError):
        raise ValueError("no CBOR") from None


class _Decoder:
    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def _take(self, size: int) -> bytes:
        data = self._data[self.at : self.at + size]
        if len(data) < size:
            raise IndexError
        self.at += size
        return data

    def length(self) -> int:
        """Read a head for its number."""
        info = self._take(1)[0] & 31
        return info if info < 24 else int.from_bytes(self._take(1 << info - 24), "big")

    def item(self) -> Any:
        first = self._take(1)[0]
        major, info = first >> 5, first & 31
        if major == 7:
            return self._simple(info)
        if info == 31:
            value = None
        elif info < 24:
            value = info
        else:
            value = int.from_bytes(self._take(1 << info - 24), "big")
        match major:
            case 0:
                return value
            case 1:
                return -1 - value
            case 2:
                return self._string(value, b"")
            case 3:
                return self._string(value, b"").decode()
            case 4:
                return self._items(value)
            case 5:
                flat = self._items(None if value is None else 2 * value)
                return dict(zip(flat[::2], flat[1::2], strict=True))
            case _:
                return self.item()  # a tag says nothing that matters here

    def _string(self, size: int | None, empty: bytes) -> bytes:
        if size is not None:
            return self._take(size)
        parts = iter(self.item, _BREAK)
        return empty.join(part.encode() if isinstance(part, str) else part for part in parts)

    def _items(self, count: int | None) -> list[Any]:
        if count is None:
            return list(iter(self.item, _BREAK))
        return [self.item() for _ in range(count)]

    def _simple(self, info: int) -> Any:
        match info:
            case 20 | 21:
                return info == 21
            case 25 | 26 | 27:
                return struct.unpack(
                    {25: ">e", 26: ">f", 27: ">d"}[info], self._take(1 << info - 24)
                )[0]
            case 31:
                return _BREAK
            case _:
                return None
