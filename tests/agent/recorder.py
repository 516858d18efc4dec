"""An endpoint in AWS's place, for Kinesis and CloudWatch."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

SHARD = "shardId-000000000000"


class Recorder:
    """An endpoint that accepts what an agent sends, and keeps which calls they were."""

    def __enter__(self):
        calls = self.calls = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = b"<PutMetricDataResponse/>"
                if target := self.headers.get("X-Amz-Target"):
                    request = json.loads(body)
                    calls.append(("kinesis", target.split(".")[1], request))
                    accepted = {"SequenceNumber": "1", "ShardId": SHARD}
                    results = [accepted] * len(request["Records"])
                    answer = json.dumps({"FailedRecordCount": 0, "Records": results}).encode()
                else:
                    query = {key: one for key, (one, *_) in parse_qs(body.decode()).items()}
                    calls.append(("cloudwatch", query["Action"], query))
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
