"""All that the engine raises for a reason that an operator, or time, can mend."""


class AnalyticsError(Exception):
    """The root: its text says what to change."""


class InputError(AnalyticsError):
    """Rules, kinds of records or reference data that cannot be used; what was in force stays so.

    `errors` has a line for each reason.
    """

    def __init__(self, *errors: str) -> None:
        super().__init__("\n".join(errors))
        self.errors = list(errors)


class ConfigError(AnalyticsError):
    """A configuration that cannot be used."""


class StateError(AnalyticsError):
    """The saved state cannot be used."""


class UnsupportedByFlink(AnalyticsError):
    """Only the embedded engine knows such a rule."""


class StreamError(AnalyticsError):
    """A call to a stream failed; later it may succeed."""


class AlarmRefused(StreamError):
    """The stream will never take the first of the alarms."""


class IteratorExpired(StreamError):
    """The shard iterator is too old: ask for another."""


class PositionUnknown(StreamError):
    """The shard does not know the sequence number: it is another than the one read before."""


class ShardGone(StreamError):
    """The shard is no more: all that it held has passed its retention."""
