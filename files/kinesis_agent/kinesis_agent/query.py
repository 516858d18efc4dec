"""Calls to the services that speak AWS's Query protocol: STS and CloudWatch."""

import re
import time
from urllib.parse import urlencode

from kinesis_agent import endpoints
from kinesis_agent.config import Config
from kinesis_agent.connection import Connection
from kinesis_agent.errors import CREDENTIALS, of_answer
from kinesis_agent.sign import Provider, Signer


class Service:
    """One service, for one thread."""

    def __init__(self, config: Config, service: str, signing_name: str, version: str) -> None:
        self._connection = Connection(
            endpoints.endpoint(config, service),
            config.connection_timeout_millis / 1000,
            config.socket_timeout_millis / 1000,
        )
        self._signer = Signer(signing_name, endpoints.region(config))
        self._version = version

    def call(self, provider: Provider, action: str, parameters: dict[str, str]) -> str:
        """Return the XML of the answer; raise SendError where it is not a success."""
        body = urlencode({"Action": action, "Version": self._version} | parameters).encode()
        credentials = provider()
        headers = self._signer.sign(
            credentials,
            self._connection.host,
            self._connection.path,
            {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
            body,
            time.time(),
        )
        status, data = self._connection.post(headers, body)
        text = data.decode("utf-8", "replace")
        if status != 200:
            code, message = element(text, "Code"), element(text, "Message")
            if code in CREDENTIALS:
                provider.renew(credentials)
            raise of_answer(status, code, message)
        return text


def element(xml: str, name: str) -> str:
    """Return the text of the first element of this name; empty where there is none."""
    found = re.search(f"<{name}>([^<]*)</{name}>", xml)
    return found[1] if found else ""
