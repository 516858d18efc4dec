"""Where the credentials come from: agent.json, the environment, or the AWS SDK's usual chain."""

import os
import threading
from collections.abc import Callable
from typing import Any

from kinesis_agent.config import Config
from kinesis_agent.errors import SendError
from kinesis_agent.sign import Credentials

Provider = Callable[[], Credentials]


def provider(config: Config, assume: Callable[[Provider], Provider] | None = None) -> Provider:
    """Return what gives the credentials of the moment, and renews them before they expire."""
    if config.aws_access_key_id and config.aws_secret_access_key:
        fixed = Credentials(config.aws_access_key_id, config.aws_secret_access_key)
        base: Provider = lambda: fixed  # noqa: E731
    else:
        base = _environment() or _Chain()
    if config.assume_role_arn and assume:
        return assume(base)
    return base


def _environment() -> Provider | None:
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret or os.environ.get("AWS_PROFILE"):
        return None
    fixed = Credentials(key, secret, os.environ.get("AWS_SESSION_TOKEN"))
    return lambda: fixed


class _Chain:
    """botocore's chain: profiles, web identity, container and instance roles."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: Any = None

    def __call__(self) -> Credentials:
        with self._lock:
            if self._found is None:
                # Only here, since it takes 15 MiB.
                import botocore.session

                self._found = botocore.session.get_session().get_credentials()
        if self._found is None:
            raise SendError("no AWS credentials were found")
        try:
            frozen = self._found.get_frozen_credentials()
        except Exception as error:
            raise SendError(f"the AWS credentials cannot be renewed: {error}") from error
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)
