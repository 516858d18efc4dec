"""What can go wrong with a request, by what to do about it."""

PERMANENT = frozenset(
    {
        "AccessDeniedException",
        "AccessDenied",
        "IncompleteSignature",
        "InvalidArgumentException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "KMSAccessDeniedException",
        "KMSDisabledException",
        "KMSInvalidStateException",
        "KMSNotFoundException",
        "KMSOptInRequired",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "ResourceNotFoundException",
        "SerializationException",
        "SignatureDoesNotMatch",
        "UnknownOperationException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)
# The credentials are not, or no longer, valid: others may have taken their place.
CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "RequestExpired",
        "UnrecognizedClientException",
    }
)


class SendError(Exception):
    """A request of which nothing is known to be accepted; waiting may mend it."""

    permanent = False


class Rejected(SendError):
    """The service will not have it: no such stream, no permission, not valid."""

    permanent = True


def of_answer(status: int, code: str, message: str) -> SendError:
    """Make the error that an answer other than success stands for."""
    text = f"{code or f'HTTP {status}'}{f': {message}' if message else ''}"
    if code in PERMANENT or (not code and 400 <= status < 500 and status not in (408, 429)):
        return Rejected(text)
    return SendError(text)
