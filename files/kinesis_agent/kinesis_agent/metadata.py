"""What ADDMETADATA and ADDEC2METADATA add to records."""

import http.client
import os
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from kinesis_agent.config import AddMetadata

_NAMES = (
    "accountId",
    "availabilityZone",
    "imageId",
    "instanceId",
    "instanceType",
    "privateIp",
    "region",
)


class MetadataError(Exception):
    """Why there is no metadata of the instance."""


def of(option: AddMetadata) -> dict[str, Any]:
    """Return what the option adds now."""
    value: dict[str, Any] = {"metadata": option.metadata}
    if option.timestamp:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        value["ts"] = now.replace("+00:00", "Z")
    return value


class Ec2:
    """What the instance knows of itself."""

    def __init__(self) -> None:
        self.value: dict[str, Any] = {}

    def ask(self) -> None:
        """Ask the instance metadata service (IMDSv2); raise MetadataError where there is none."""
        try:
            document = msgspec.json.decode(
                self._get("/latest/dynamic/instance-identity/document"), type=dict[str, Any]
            )
        except msgspec.MsgspecError as error:
            raise MetadataError(f"EC2 instance metadata: {error}") from None
        self.value = {"metadata": {name: document.get(name) for name in _NAMES}}

    def _get(self, path: str) -> bytes:
        base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254")
        connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=2)
        try:
            connection.request(
                "PUT", "/latest/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}
            )
            token = connection.getresponse().read().decode()
            connection.request("GET", path, headers={"X-aws-ec2-metadata-token": token})
            response = connection.getresponse()
            if response.status != 200:
                raise MetadataError(f"EC2 instance metadata: HTTP {response.status}")
            return response.read()
        except (OSError, http.client.HTTPException) as error:
            raise MetadataError(f"EC2 instance metadata: {error}") from error
        finally:
            connection.close()
