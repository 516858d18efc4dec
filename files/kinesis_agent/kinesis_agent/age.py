"""How old the bytes of a file are, from the sizes that it was seen with."""

MOST = 256


class Sizes:
    """The sizes of a growing file, and when each was seen first."""

    def __init__(self) -> None:
        self._seen: list[tuple[int, float]] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing is remembered."""
        return not self._seen

    def see(self, size: int, when: float) -> None:
        """Note the size; what is between two sizes is as old as the larger one."""
        if not self._seen or size > self._seen[-1][0]:
            self._seen.append((size, when))
        if len(self._seen) > MOST:
            del self._seen[1::2]

    def since(self, position: int) -> float | None:
        """Return when the byte at position was seen first, and forget what is before it."""
        while self._seen and self._seen[0][0] <= position:
            del self._seen[0]
        return self._seen[0][1] if self._seen else None
