"""Where the services are."""

import os
import re
from urllib.parse import SplitResult, urlsplit

from kinesis_agent.config import Config

SERVICES = ("kinesis", "firehose", "cloudwatch", "sts")

_AWS_HOST = re.compile(r"(^|\.)amazonaws\.com(\.cn)?$")


def region(config: Config) -> str:
    """Return the region: of the configuration, the environment, or the endpoint's name."""
    named = re.search(r"\bkinesis\.([a-z0-9-]+)\.amazonaws\.", config.kinesis_endpoint or "")
    return (
        config.kinesis_region
        or (named and named[1])
        or os.environ.get("AWS_REGION")
        or os.environ.get("AWS_DEFAULT_REGION")
        or "us-east-1"
    )


def endpoint(config: Config, service: str) -> SplitResult:
    """Return a service's address; raise ValueError where what is given is none."""
    if given := getattr(config, f"{service}_endpoint"):
        return _address(given)
    for name in (f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL"):
        if given := os.environ.get(name):
            try:
                return _address(given)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
    where = region(config)
    suffix = "amazonaws.com.cn" if where.startswith("cn-") else "amazonaws.com"
    prefix = "monitoring" if service == "cloudwatch" else service
    return _address(f"{prefix}.{where}.{suffix}")


def _address(text: str) -> SplitResult:
    """Read an address; one without a scheme is https."""
    address = urlsplit(text if "://" in text else f"https://{text}")
    if address.scheme not in ("http", "https"):
        raise ValueError(f"{text!r} is neither http:// nor https://")
    host = address.netloc.rpartition("@")[2]
    if not re.fullmatch(r"[\w.-]+(:\d+)?|\[[\da-fA-F:.]+\](:\d+)?", host) or (
        address.hostname in ("http", "https")
    ):
        raise ValueError(f"{text!r} names no host, or has more than a port after it")
    if address.port == 0 or address.query or address.fragment:
        raise ValueError(f"{text!r} is no address of a service")
    return address


def is_aws(address: SplitResult) -> bool:
    """Whether the address is AWS's own, which alone can be relied on to speak CBOR."""
    return bool(_AWS_HOST.search(address.hostname or ""))
