"""Submits the rules to Flink: on AWS (Managed Service for Apache Flink), on a cluster, in tests.

Reads the property group `surgewatch`: `tables` (kinesis or files), and what sql/<tables>.sql asks
for. On AWS the properties stand in a file that the service makes; elsewhere
its path is the first argument, `state` names a folder for checkpoints, and the job runs in this
process. package.py has made the statements of the tables, and those of the rules (sql/rules.sql).
"""

import json
import sys
from pathlib import Path
from string import Template

from pyflink.table import EnvironmentSettings, TableEnvironment

HERE = Path(__file__).parent
PROPERTIES = Path("/etc/flink/application_properties.json")


def main() -> None:
    """Make the tables, then the views, then run all inserts as one job."""
    managed = len(sys.argv) < 2
    properties = read(PROPERTIES if managed else Path(sys.argv[1]))
    settings = EnvironmentSettings.new_instance()
    environment = TableEnvironment.create(settings.in_streaming_mode().build())
    for key, value in options(properties, managed).items():
        environment.get_config().set(key, value)
    tables = (HERE / "sql" / f"{properties['tables']}.sql").read_text()
    for statement in statements(Template(tables).substitute(properties)):
        environment.execute_sql(statement)
    for statement in statements((HERE / "sql" / "rules.sql").read_text()):
        result = environment.execute_sql(statement)
    if not managed:
        result.wait()  # the job runs in this process, and ends with it


def read(path: Path) -> dict[str, str]:
    """The properties of our group, with what may be left out."""
    groups = json.loads(path.read_text())
    found = {group["PropertyGroupId"]: group["PropertyMap"] for group in groups}
    return {"tables": "kinesis", "source_options": "", "sink_options": ""} | found["surgewatch"]


def options(properties: dict[str, str], managed: bool) -> dict[str, str]:
    """Flink's settings.

    One subtask must read one shard: of two, it takes the one that is behind for late. An idle shard
    must not hold back time; but one that has not yet been read, or cannot be for a while, looks
    just the same, and all that it holds would be late. So there is patience.

    The managed service sets the parallelism itself, and refuses a job that does.
    """
    given = {
        key.removeprefix("flink."): value
        for key, value in properties.items()
        if key.startswith("flink.")
    }
    shards = properties.get("shards", "1")
    found = {
        "table.local-time-zone": "UTC",
        "table.exec.source.idle-timeout": "30 s",
        # To count before the exchange pays only where more than one subtask sends.
        "table.optimizer.agg-phase-strategy": "ONE_PHASE" if shards == "1" else "AUTO",
        "pipeline.object-reuse": "true",
    }
    if not managed:
        found["parallelism.default"] = shards
    if state := properties.get("state"):
        found |= checkpoints(Path(state))
    return found | given


def checkpoints(folder: Path) -> dict[str, str]:
    """Where the state is kept, and the newest to go on from. The managed service does it itself."""
    found = {
        "execution.checkpointing.interval": "10 s",
        "execution.checkpointing.dir": folder.as_uri(),
        "execution.checkpointing.num-retained": "3",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "rest.bind-address": "127.0.0.1",
        "jobmanager.bind-host": "127.0.0.1",
        "taskmanager.bind-host": "127.0.0.1",
    }
    complete = sorted(folder.glob("*/chk-*/_metadata"), key=lambda path: path.stat().st_mtime)
    if complete:
        found["execution.state-recovery.path"] = complete[-1].parent.as_uri()
        found["execution.state-recovery.claim-mode"] = "CLAIM"
    return found


def statements(script: str) -> list[str]:
    """Split at the semicolons that end lines; a statement set stays whole."""
    found, lines = [], []
    for line in script.splitlines():
        if line.startswith("--"):
            continue
        lines.append(line)
        inside = any(text.startswith("EXECUTE STATEMENT SET") for text in lines)
        if line.endswith(";") and (not inside or line == "END;"):
            found.append("\n".join(lines).strip().removesuffix(";") + (";" if inside else ""))
            lines = []
    return found


if __name__ == "__main__":
    main()
