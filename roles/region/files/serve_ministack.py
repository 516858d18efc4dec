"""Serve ministack so that what it has answered is there again after kill -9.

ministack keeps its state in memory and writes it only when it is stopped politely. Here each
request that changes something is saved, by ministack's own persistence, before it is answered.
What functions log and measure is not waited for: it is saved at a polite stop alone.
"""

import re
from collections.abc import Awaitable, Callable

from ministack import app
from ministack.core import persistence
from ministack.services import lambda_svc

Answer = tuple[int, dict, bytes]
Handler = Callable[[str, str, dict, bytes, dict], Awaitable[Answer]]

READS = ("Get", "List", "Describe", "Receive", "PutMetricData", "PutLogEvents")
# A publication changes no topic but the queues that are subscribed to it.
ALSO_CHANGED = {"sns": ["sqs"]}


def changes(method: str, path: str, headers: dict, body: bytes) -> bool:
    """Say whether a request may change what must last."""
    if method in ("GET", "HEAD") or path.endswith("/invocations"):
        return False
    if target := headers.get("x-amz-target"):
        return not target.rpartition(".")[2].startswith(READS)
    query = re.search(rb"(?:^|&)Action=(\w+)", body[:65536])
    return not (query and query[1].decode().startswith(READS))


def saved(service: str, handle: Handler) -> Handler:
    """Wrap a service's handler: save the service's state before the answer is sent."""
    entry = app.SERVICE_REGISTRY[service]
    keys = [
        entry.get("state_key", entry["module"]),
        *entry.get("sub_modules", ()),
        *ALSO_CHANGED.get(service, ()),
    ]

    async def handle_and_save(
        method: str, path: str, headers: dict, body: bytes, query: dict
    ) -> Answer:
        answer = await handle(method, path, headers, body, query)
        if changes(method, path, headers, body):
            states = app._build_persistence_save_dict()
            persistence.save_all({key: states[key] for key in keys if key in states})
        return answer

    return handle_and_save


def prune_late(prune: Callable[[set], None]) -> Callable[[set], None]:
    """Keep the code that the state on disk refers to until a newer state has replaced it."""
    previous: set = set()

    def prune_all_but_the_last_two(referenced: set) -> None:
        nonlocal previous
        prune(referenced | previous)
        previous = referenced

    return prune_all_but_the_last_two


def main() -> None:
    app.SERVICE_HANDLERS.update(
        {service: saved(service, handle) for service, handle in app.SERVICE_HANDLERS.items()}
    )
    lambda_svc._prune_orphan_code_blobs = prune_late(lambda_svc._prune_orphan_code_blobs)
    # ministack's poller loses records; files/event_source reads the mappings and polls instead.
    lambda_svc._ensure_poller = lambda: None
    app.main()


if __name__ == "__main__":
    main()
