"""A user's regular expressions: Java's notation, matched by RE2 in time linear in the text.

Python's own engine may take for ever over a line, and nothing can interrupt it.
"""

import re
from typing import Any

_HINT = (
    "; write it without backreferences, possessive quantifiers and lookaround (but for (?!…) and "
    "(?=…) at its start), which can take for ever"
)
_LOOKAHEAD = re.compile(r"\^?\(\?(?P<kind>[!=])")
_TOKEN = re.compile(r"\\Q.*?(?:\\E|\Z)|\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|[()|]", re.DOTALL)


class PatternError(ValueError):
    """Why a pattern cannot be used."""


class Pattern:
    """A regular expression; one for lines is matched at the start of lines, and of any bytes."""

    def __init__(self, text: str, lines: bool = False) -> None:
        """Raise PatternError where it is none, or none that RE2 has."""
        self._lookaheads: list[tuple[Any, bool]] = []
        while lookahead := _split_lookahead(text):
            inner, wanted, text = lookahead
            self._lookaheads.append((_compile(inner, lines), wanted))
        self._pattern = _compile(f"(?m)^(?:{text})" if lines else text, lines)

    @property
    def groups(self) -> int:
        """How many groups it has."""
        return self._pattern.groups

    def fullmatch(self, text: str) -> tuple[str | None, ...] | None:
        """Return what the groups hold; None where the text does not match whole."""
        data = text.encode()
        match = self._pattern.fullmatch(data)
        if match is None or not self._looks_right(data, 0):
            return None
        return tuple(None if each is None else each.decode() for each in match.groups())

    def split(self, text: str) -> list[str]:
        """Return what stands between the matches."""
        data, parts, start = text.encode(), [], 0
        for match in self._pattern.finditer(data):
            if match.end() > match.start() and self._looks_right(data, match.start()):
                parts.append(data[start : match.start()].decode())
                start = match.end()
        return [*parts, data[start:].decode()]

    def starts(self, data: bytes) -> list[int]:
        """Return where lines start that it matches."""
        found = (match.start() for match in self._pattern.finditer(data))
        return [at for at in found if self._looks_right(data, at)]

    def _looks_right(self, data: bytes, at: int) -> bool:
        return all(bool(each.match(data, at)) == wanted for each, wanted in self._lookaheads)


def _compile(text: str, lines: bool) -> Any:
    import re2  # Only here, since it takes 3 MiB.

    options = re2.Options()
    options.log_errors = False
    options.dot_nl = not lines
    if lines and text.isascii():
        # A file may hold bytes that are not UTF-8, and a dot has to match them.
        options.encoding = re2.Options.Encoding.LATIN1
    if "&&[" in text:
        raise PatternError(f"an intersection of classes (&&) is not known{_HINT}")
    text = re.sub(r"(\\\\)|\\Z", lambda match: match[1] or r"\z", text)
    text = re.sub(r"(\\\\)|\\u([0-9A-Fa-f]{4})", lambda m: m[1] or rf"\x{{{m[2]}}}", text)
    try:
        return re2.compile(text.encode(), options)
    except re2.error as error:
        reason = error.args[0]
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        is_beyond = re.search(r"perl operator: |repetition operator|escape sequence: \\\d", reason)
        raise PatternError(f"{reason}{_HINT if is_beyond else ''}") from None


def _split_lookahead(text: str) -> tuple[str, bool, str] | None:
    """Split a lookahead at the start off: what it is of, whether it is wanted, and the rest."""
    match = _LOOKAHEAD.match(text)
    if match is None:
        return None
    depth, end = 1, 0
    for token in _TOKEN.finditer(text, match.end()):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if depth == 0 and not end:
            end = token.start()
        elif depth == 0 and token[0] == "|":
            return None  # it is of the first alternative only
    return (text[match.end() : end], match["kind"] == "=", text[end + 1 :]) if end else None
