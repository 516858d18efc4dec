"""AWS Signature Version 4, for requests without a query."""

import hashlib
import hmac
import time
from typing import Protocol
from urllib.parse import quote

from msgspec import Struct


class Credentials(Struct, frozen=True):
    """What requests are signed with."""

    access_key: str
    secret_key: str
    token: str | None = None


class Provider(Protocol):
    """Gives the credentials of the moment."""

    def __call__(self) -> Credentials:
        """Return them; raise SendError where there are none."""

    def renew(self, refused: Credentials) -> None:
        """Look for others at the next call, since a service refused these."""


class Signer:
    """Signs requests to one service in one region; keeps the day's key."""

    def __init__(self, service: str, region: str) -> None:
        self._service, self._region = service, region
        self._key: tuple[str, str, bytes] = ("", "", b"")

    def sign(
        self,
        credentials: Credentials,
        host: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        now: float,
    ) -> dict[str, str]:
        """Return the headers of a POST, with those that sign it."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        headers = headers | {"Host": host, "X-Amz-Date": stamp}
        if credentials.token:
            headers["X-Amz-Security-Token"] = credentials.token
        lines = sorted((name.lower(), value.strip()) for name, value in headers.items())
        names = ";".join(name for name, _ in lines)
        canonical = "\n".join(
            [
                "POST",
                quote(path),
                "",
                *(f"{name}:{value}" for name, value in lines),
                "",
                names,
                hashlib.sha256(body).hexdigest(),
            ]
        )
        scope = f"{stamp[:8]}/{self._region}/{self._service}/aws4_request"
        to_sign = "\n".join(
            ["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()]
        )
        signature = _hmac(self._day_key(credentials.secret_key, stamp[:8]), to_sign).hex()
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        return headers

    def _day_key(self, secret: str, day: str) -> bytes:
        if self._key[:2] != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = _hmac(key, part)
            self._key = (secret, day, key)
        return self._key[2]


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
