"""What modules for an AWS resource share: keeping its tags, and waiting for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.tagging import compare_aws_tags

Fields = dict[str, Any]
Tags = dict[str, str]

WAKING = ("ResourceConflictException", "ResourceNotReadyException", "EC2ThrottledException")
"""What a function answers a call with that was idle for weeks, or is not awake yet."""
GONE = "gone"
"""The status of a resource that there is no more."""


def keep_tags(
    module: Any,
    read: Callable[[], Tags],
    *,
    add: Callable[[Tags], Any],
    remove: Callable[[list[str]], Any],
    label: str = "tags",
) -> tuple[Fields, Fields]:
    """Bring tags to what the module's `tags` and `purge_tags` say; without `tags` leave them.

    Answers with `{label: tags}` before and after, both empty where nothing changes.
    """
    wanted = module.params["tags"]
    if wanted is None:
        return {}, {}
    current = read()
    added, removed = compare_aws_tags(current, wanted, module.params["purge_tags"])
    if not added and not removed:
        return {}, {}
    if not module.check_mode:
        if removed:
            remove(removed)
        if added:
            add(added)
    kept = {key: value for key, value in current.items() if key not in removed}
    return {label: current}, {label: kept | added}


def wait(
    module: Any,
    what: str,
    found: Fields | None,
    read: Callable[[], Fields | None],
    *,
    status: str,
    settled: Sequence[str],
    poll_seconds: float,
) -> Fields | None:
    """Read a resource until its field `status` is one of `settled`; answer with it as it is then.

    `settled` may be GONE. Fails after the module's `wait_timeout` in seconds (0 does not wait at
    all), and at once where the resource is gone and was not to go.
    """
    timeout = module.params["wait_timeout"]
    deadline = time.monotonic() + timeout
    while timeout and (now := found[status] if found else GONE) not in settled:
        if now == GONE:
            module.fail_json(msg=f"{what} is gone")
        if time.monotonic() > deadline:
            module.fail_json(msg=f"{what} stays {now}")
        time.sleep(poll_seconds)
        found = read()
    return found
