"""What goes wrong in ways that an operator can understand: printed without a traceback."""

from botocore.exceptions import BotoCoreError, ClientError

AWS_ERRORS = (BotoCoreError, ClientError)


class ConsoleError(Exception):
    """The message says what an operator can do about it."""
