"""What a running service says of itself: a file that any user may read, with `faults` in words."""

STALE_SECONDS = 15.0
"""A service writes its status every few seconds: one that has not for so long does not run."""


def silence(age_seconds: float | None) -> list[str]:
    """The fault that a status of this age is, if it is one; None: there is no status."""
    if age_seconds is None:
        return ["not running: it has left no status"]
    if age_seconds > STALE_SECONDS:
        return [f"not running: the last sign of life is {age_seconds:.0f} s old"]
    return []
