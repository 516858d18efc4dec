"""Serve ministack so that what it has answered is there again after kill -9.

ministack keeps its state in memory and writes it only when it is stopped politely; a queue or a
function made a week ago would be gone. Here each request that changes something is saved, by
ministack's own persistence, before it is answered. What functions log and measure is not waited
for: it is saved with the next change of its kind, or at a polite stop.
"""

import json
import re
from collections.abc import Awaitable, Callable

from ministack import app
from ministack.core import persistence
from ministack.services import cloudwatch_logs, lambda_svc

Answer = tuple[int, dict, bytes]
Handler = Callable[[str, str, dict, bytes, dict], Awaitable[Answer]]

READS = ("Get", "List", "Describe", "Receive", "PutMetricData", "PutLogEvents")
# A publication changes no topic but the queues that are subscribed to it.
ALSO_CHANGED = {"sns": ["sqs"]}
LOG_STREAMS_KEPT = 100


def changes(method: str, path: str, headers: dict, body: bytes) -> bool:
    """Say whether a request may change what must last."""
    if method in ("GET", "HEAD") or path.endswith("/invocations"):
        return False
    if target := headers.get("x-amz-target"):
        return not target.rpartition(".")[2].startswith(READS)
    query = re.search(rb"(?:^|&)Action=(\w+)", body)
    return not (query and query[1].decode().startswith(READS))


def snapshot(get_state: Callable[[], dict]) -> dict:
    """Copy a service's state, again where a function at work has changed it meanwhile."""
    for _ in range(10):
        try:
            return get_state()
        except RuntimeError as changed_during_iteration:
            error = changed_during_iteration
    raise error


def save_changes(service: str, handle: Handler) -> Handler:
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
            for key in keys:
                if key in states:
                    persistence.save_state(key, snapshot(states[key]))
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


def keep_timestamp(create: Callable[[dict], Answer]) -> Callable[[dict], Answer]:
    """Keep StartingPositionTimestamp, the one field of a mapping that ministack drops."""

    def create_with_timestamp(data: dict) -> Answer:
        answer = create(data)
        if answer[0] == 202 and "StartingPositionTimestamp" in data:
            mapping = lambda_svc._esms[json.loads(answer[2])["UUID"]]
            mapping["StartingPositionTimestamp"] = data["StartingPositionTimestamp"]
            return lambda_svc.json_response(lambda_svc._esm_response(mapping), 202)
        return answer

    return create_with_timestamp


def bound_logs(emit: Callable[..., None]) -> Callable[..., None]:
    """Send what functions log to the journal as well, and keep the newest streams alone.

    ministack makes a stream for each invocation and keeps all in memory.
    """

    def emit_and_bound(
        function: dict, request_id: str, text: str, *rest: object, **named: object
    ) -> None:
        emit(function, request_id, text, *rest, **named)
        for line in (text or "").splitlines():
            print(f"{function['config']['FunctionName']}: {line}", flush=True)
        for group in list(cloudwatch_logs._log_groups.values()):
            for name in list(group["streams"])[:-LOG_STREAMS_KEPT]:
                group["streams"].pop(name, None)

    return emit_and_bound


def main() -> None:
    app.SERVICE_HANDLERS.update(
        {service: save_changes(service, handle) for service, handle in app.SERVICE_HANDLERS.items()}
    )
    lambda_svc._prune_orphan_code_blobs = prune_late(lambda_svc._prune_orphan_code_blobs)
    lambda_svc._create_esm = keep_timestamp(lambda_svc._create_esm)
    lambda_svc._emit_lambda_logs = bound_logs(lambda_svc._emit_lambda_logs)
    # ministack's poller loses records: event_source reads the mappings and polls instead.
    lambda_svc._ensure_poller = lambda: None
    app.main()


if __name__ == "__main__":
    main()
