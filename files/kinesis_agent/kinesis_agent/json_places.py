"""JSON with comments: what is left without them, and on which line each value stands."""

import re

import msgspec

Place = tuple[str | int, ...]

_STRING_OR_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def without_comments(text: str) -> str:
    """Blank out // and /* */ comments, so that every line keeps its number."""

    def blank(match: re.Match[str]) -> str:
        found = match[0]
        return found if found.startswith('"') else re.sub(r"[^\n]", " ", found)

    return _STRING_OR_COMMENT.sub(blank, text)


def places(text: str) -> tuple[dict[Place, int], list[tuple[Place, int]]]:
    """Map the path of each value in a valid JSON text to its line; tell of keys given again."""
    found: dict[Place, int] = {}
    again: list[tuple[Place, int]] = []
    stack: list[str | int] = []
    closers: list[str] = []
    previous = ""
    line, at = 1, 0
    for match in _TOKEN.finditer(text):
        line, at = line + text.count("\n", at, match.start()), match.start()
        token = match[0]
        if token in "}]":
            closers.pop()
            stack.pop()
        elif token == "," and closers[-1] == "]":
            stack[-1] = int(stack[-1]) + 1
        elif token not in ",:":
            if closers and closers[-1] == "}" and previous in "{,":
                stack[-1] = msgspec.json.decode(token)
                place = tuple(stack)
                if place in found and not any(place[: len(each)] == each for each, _ in again):
                    again.append((place, line))
            found.setdefault(tuple(stack), line)
            if token in "{[":
                closers.append("}" if token == "{" else "]")
                stack.append("" if token == "{" else 0)
        previous = token
    return found, again
