"""Where the credentials come from: agent.json, the environment, or the AWS SDK's usual chain."""

import os
import threading
import time
from datetime import datetime
from typing import Any

from kinesis_agent.config import Config
from kinesis_agent.errors import SendError
from kinesis_agent.query import Service, element
from kinesis_agent.sign import Credentials, Provider


def provider(config: Config) -> Provider:
    """Return what gives the credentials of the moment, and renews them before they expire."""
    if config.aws_access_key_id and config.aws_secret_access_key:
        base: Provider = _Fixed(Credentials(config.aws_access_key_id, config.aws_secret_access_key))
    else:
        base = _environment() or _Chain()
    return _AssumedRole(config, base) if config.assume_role_arn else base


def _environment() -> Provider | None:
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret or os.environ.get("AWS_PROFILE"):
        return None
    return _Fixed(Credentials(key, secret, os.environ.get("AWS_SESSION_TOKEN")))


class _Fixed:
    """What agent.json or the environment says; a reload or a restart brings others."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def __call__(self) -> Credentials:
        return self._credentials

    def renew(self, refused: Credentials) -> None:
        """There are no others."""


class _Chain:
    """botocore's chain: profiles, web identity, container and instance roles."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: Any = None
        self._given: Credentials | None = None

    def __call__(self) -> Credentials:
        with self._lock:
            try:
                if self._found is None:
                    # Only here, since it takes 15 MiB.
                    import botocore.session

                    self._found = botocore.session.get_session().get_credentials()
                frozen = self._found and self._found.get_frozen_credentials()
            except Exception as error:
                raise SendError(f"the AWS credentials cannot be had: {error}") from error
            if frozen is None:
                raise SendError("no AWS credentials were found")
            self._given = Credentials(frozen.access_key, frozen.secret_key, frozen.token)
            return self._given

    def renew(self, refused: Credentials) -> None:
        """Read files and ask services again: botocore keeps what does not say when it expires."""
        with self._lock:
            if refused == self._given:
                self._found = None


class _AssumedRole:
    """The role that agent.json names, assumed anew before it expires."""

    def __init__(self, config: Config, base: Provider) -> None:
        self._service = Service(config, "sts", "sts", "2011-06-15")
        self._base = base
        self._parameters = {
            "RoleArn": config.assume_role_arn or "",
            "RoleSessionName": "kinesis-agent",
        }
        if config.assume_role_external_id:
            self._parameters["ExternalId"] = config.assume_role_external_id
        self._lock = threading.Lock()
        self._found: Credentials | None = None
        self._expires = 0.0

    def __call__(self) -> Credentials:
        with self._lock:
            if self._found is None or time.time() > self._expires - 300:
                answer = self._service.call(self._base, "AssumeRole", self._parameters)
                self._found = Credentials(
                    element(answer, "AccessKeyId"),
                    element(answer, "SecretAccessKey"),
                    element(answer, "SessionToken"),
                )
                self._expires = datetime.fromisoformat(element(answer, "Expiration")).timestamp()
            return self._found

    def renew(self, refused: Credentials) -> None:
        """Assume the role again."""
        with self._lock:
            if refused == self._found:
                self._found = None
