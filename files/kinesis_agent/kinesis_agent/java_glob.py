"""File patterns as Java has them: {a,b} beside what fnmatch knows."""

import re

_PART = re.compile(r"\[[!^]?\]?[^\]]*\]|\{([^{}]*)\}|\{")


def expand(pattern: str) -> list[str]:
    """Return the patterns without braces that it stands for; raise ValueError where none is."""
    for part in _PART.finditer(pattern):
        if part[0] == "{":
            raise ValueError("a { has no } of its own")
        if part[1] is not None:
            before, after = pattern[: part.start()], expand(pattern[part.end() :])
            return [before + each + rest for each in part[1].split(",") for rest in after]
    return [pattern]


def escape(path: str) -> str:
    """Return the pattern that only this path matches."""
    return re.sub(r"([*?\[{])", r"[\1]", path)
