"""Answers PutRecords with success as fast as Python can, counts records, keeps nothing.

Prints its port, and one line with the count whenever it is sent an empty line.
"""

import random
import selectors
import socket
import sys

from kinesis_agent import cbor

REFUSED = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
count = 0


def answer_json(number: int, refused: set[int]) -> bytes:
    good = b'{"SequenceNumber":"49590338271490256608559692538361571095921575989136588898",'
    good += b'"ShardId":"shardId-000000000000"}'
    bad = b'{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"slow down"}'
    outcomes = b",".join([bad if n in refused else good for n in range(number)])
    return b'{"FailedRecordCount":%d,"Records":[%b]}' % (len(refused), outcomes)


def answer_cbor(number: int, refused: set[int]) -> bytes:
    good = b"\xa2" + b"".join(
        map(cbor.text, ("SequenceNumber", "4959033827149025660855969253", "ShardId", "shardId-0"))
    )
    bad = b"\xa1" + cbor.text("ErrorCode") + cbor.text("ProvisionedThroughputExceededException")
    outcomes = [bad if n in refused else good for n in range(number)]
    return b"".join(
        [
            b"\xa2",
            cbor.text("FailedRecordCount"),
            cbor.head(0, len(refused)),
            cbor.text("Records"),
            cbor.head(4, number),
            *outcomes,
        ]
    )


# Some answers of each kind: to make one anew takes longer than the agent takes for the request.
cached: dict[tuple[bool, int, int], tuple[int, bytes]] = {}


def answer(head: bytes, body: bytes) -> bytes:
    global count
    is_cbor = b"amz-cbor" in head
    number = body.count(b"PartitionKey")
    key = is_cbor, number, random.randrange(32)
    if key not in cached:
        refused = {n for n in range(number) if random.random() < REFUSED}
        data = (answer_cbor if is_cbor else answer_json)(number, refused)
        cached[key] = number - len(refused), data
    accepted, data = cached[key]
    count += accepted
    return b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: 1\r\nContent-Length: %d\r\n\r\n%b" % (
        len(data),
        data,
    )


class Peer:
    def __init__(self, connection: socket.socket) -> None:
        self.connection, self.data, self.need = connection, bytearray(), 0

    def read(self) -> bool:
        part = self.connection.recv(1 << 20)
        self.data += part
        while len(self.data) >= self.need:
            head, found, _ = self.data.partition(b"\r\n\r\n")
            if not found:
                break
            size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            self.need = len(head) + 4 + size
            if len(self.data) < self.need:
                break
            body = bytes(self.data[len(head) + 4 : self.need])
            del self.data[: self.need]
            self.need = 0
            if b"100-continue" in head:
                self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.connection.sendall(answer(head, body))
        return bool(part)


def main() -> None:
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(server.getsockname()[1], flush=True)
    selector = selectors.DefaultSelector()
    selector.register(server, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    peers: dict[int, Peer] = {}
    while True:
        for key, _ in selector.select():
            if key.fileobj is server:
                connection, _ = server.accept()
                peers[connection.fileno()] = Peer(connection)
                selector.register(connection, selectors.EVENT_READ)
            elif key.fileobj is sys.stdin:
                if not sys.stdin.readline():
                    return
                print(count, flush=True)
            else:
                peer = peers[key.fd]
                try:
                    alive = peer.read()
                except OSError:
                    alive = False
                if not alive:
                    selector.unregister(peer.connection)
                    peer.connection.close()
                    del peers[key.fd]


main()
