"""Values that name a group or are shown to people: made safe.

Strangers write them. What names a group or stands in an alarm is short and printable, and an
address is an address.
"""

import hashlib
import re
from ipaddress import IPv6Address, ip_address, ip_network

KEPT, HASH = 100, 16
"""Characters that a longer value keeps, and hexadecimal digits of a hash of the whole."""
LONGEST = KEPT + 1 + HASH
"""Characters of a value that is not cut, or was."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Stands for a character that cannot be printed."""
UNKNOWN = "unknown"
"""Stands for what is no address, and for a key that a table does not hold."""

_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_BYTE}(?:\.{_BYTE}){{3}}"
_HEX = "[0-9A-Fa-f]{1,4}"
# One `::` at most, in the place of one group or more: an IPv4 address is as long as two groups.
_SHORT = (
    rf"(?!.*::.*::)(?!(?:::)?(?:{_HEX}::?){{7}}{_HEX})(?!(?:::)?(?:{_HEX}::?){{6}}{_IPV4})"
    rf"(?:{_HEX}(?::{_HEX})*)?::(?:(?:{_HEX}:)*(?:{_HEX}|{_IPV4}))?"
)
ADDRESS = rf"(?:{_IPV4}|(?:{_HEX}:){{6}}(?:{_HEX}:{_HEX}|{_IPV4})|{_SHORT})"
"""A whole IPv4 or IPv6 address, as a regular expression that Java reads alike (for Flink)."""

_is_address = re.compile(ADDRESS).fullmatch


def text(value: str) -> str:
    """A value that is printable and of bounded length; one that is so already stays as it is."""
    if len(value) <= LONGEST:
        return value if value.isprintable() else _printable(value)
    whole = hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()
    return f"{_printable(value[:KEPT])}…{whole[:HASH]}"


def _printable(value: str) -> str:
    return "".join(char if char.isprintable() else REPLACEMENT for char in value)


class Texts(dict[str, str]):
    """What `text` makes of each value, remembered for those that come often."""

    LIMIT = 20_000

    def __missing__(self, value: str) -> str:
        made = self.made(value)
        if len(value) <= LONGEST:
            if len(self) >= self.LIMIT:
                self.clear()
            self[value] = made
        return made

    def made(self, value: str) -> str:
        return text(value)


class Addresses(Texts):
    """The same of addresses: what is none is UNKNOWN."""

    def made(self, value: str) -> str:
        return value if _is_address(value) else UNKNOWN


class Networks(Texts):
    """The network of each address, with the bits that tell one of IPv4, and of IPv6, from another.

    An IPv4 address that is written as one of IPv6 (`::ffff:192.0.2.1`) is one of IPv4.
    """

    def __init__(self, bits: tuple[int, int]) -> None:
        self._bits = {4: bits[0], 6: bits[1]}

    def made(self, value: str) -> str:
        if not _is_address(value):
            return UNKNOWN
        if ":" not in value:  # mostly, and the library takes ten times as long
            host = 32 - self._bits[4]
            number = int.from_bytes(bytes(map(int, value.split("."))), "big") >> host << host
            return f"{'.'.join(map(str, number.to_bytes(4, 'big')))}/{self._bits[4]}"
        address = ip_address(value)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return str(ip_network((int(address), self._bits[address.version]), strict=False))
