class ConsoleError(Exception):
    """What an operator can understand and act on: printed without a traceback."""
