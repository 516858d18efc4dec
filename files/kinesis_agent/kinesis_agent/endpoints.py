"""Where the services are."""

import os
import re
from urllib.parse import SplitResult, urlsplit

from kinesis_agent.config import Config

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
    """Return a service's address; one without a scheme is https."""
    where = region(config)
    suffix = "amazonaws.com.cn" if where.startswith("cn-") else "amazonaws.com"
    prefix = "monitoring" if service == "cloudwatch" else service
    given = (
        getattr(config, f"{service}_endpoint")
        or os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}")
        or os.environ.get("AWS_ENDPOINT_URL")
        or f"{prefix}.{where}.{suffix}"
    )
    return urlsplit(given if "://" in given else f"https://{given}")


def is_aws(address: SplitResult) -> bool:
    """Whether the address is AWS's own, which alone can be relied on to speak CBOR."""
    return bool(_AWS_HOST.search(address.hostname or ""))
