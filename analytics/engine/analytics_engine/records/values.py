"""Values that name a group or are shown to people: made safe where they enter.

Strangers write them. Behind the intake each is short and printable, and an address is an address.
"""

import hashlib
import re

LONGEST = 100
"""Characters. A longer value is cut there, and told from others by a hash of the whole."""
HASH = 16
"""Hexadecimal digits of that hash."""
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
    """A value that is printable and of bounded length."""
    if len(value) <= LONGEST and value.isprintable():
        return value
    start = "".join(c if c.isprintable() else REPLACEMENT for c in value[:LONGEST])
    if len(value) <= LONGEST:
        return start
    whole = hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()
    return f"{start}…{whole[:HASH]}"


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
