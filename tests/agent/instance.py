"""What an EC2 instance finds at its metadata address, version 2."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "a-token"
DOCUMENT = {
    "accountId": "000000000000",
    "architecture": "x86_64",
    "availabilityZone": "eu-west-1a",
    "imageId": "ami-1",
    "instanceId": "i-1",
    "instanceType": "t3.micro",
    "privateIp": "192.0.2.10",
    "region": "eu-west-1",
}
CREDENTIALS = {
    "Code": "Success",
    "Type": "AWS-HMAC",
    "AccessKeyId": "ASIAROLE",
    "SecretAccessKey": "secret",
    "Token": "session",
    "LastUpdated": "2026-01-31T12:00:00Z",
    "Expiration": "2036-01-31T12:00:00Z",
}
ROLE = "/latest/meta-data/iam/security-credentials/"
ANSWERS = {
    "/latest/dynamic/instance-identity/document": json.dumps(DOCUMENT),
    ROLE: "agent",
    f"{ROLE}agent": json.dumps(CREDENTIALS),
}


class InstanceMetadata:
    """Answers on a loopback port: `with InstanceMetadata() as instance`."""

    def __enter__(self) -> "InstanceMetadata":
        self.is_broken = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                seconds = self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
                if self.path == "/latest/api/token" and seconds and not outer.is_broken:
                    self.answer(200, TOKEN)
                else:
                    self.answer(403, "")

            def do_GET(self) -> None:
                if self.headers["X-aws-ec2-metadata-token"] != TOKEN:
                    self.answer(401, "")
                elif self.path in ANSWERS:
                    self.answer(200, ANSWERS[self.path])
                else:
                    self.answer(404, "")

            def answer(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
