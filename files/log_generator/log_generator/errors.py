"""What the commands report in one line instead of a traceback."""


class LogGeneratorError(Exception):
    """Something that the operator can put right."""


class ConfigError(LogGeneratorError):
    """The configuration cannot be used."""


class DatasetError(LogGeneratorError):
    """The data set cannot be used."""


class ControlError(LogGeneratorError):
    """The slices cannot be changed now."""


class InjectionError(LogGeneratorError):
    """The given order lines cannot be injected."""
