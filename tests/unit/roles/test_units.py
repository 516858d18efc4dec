"""What every unit says, whichever role it is of."""

import re

import pytest

from tests.unit.roles.rendering import ROOT

UNITS = sorted(
    path
    for path in ROOT.glob("roles/*/*/**/*")
    if path.name.removesuffix(".j2").endswith(".service") and path.stat().st_size
)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
@pytest.mark.parametrize("limit", ["MemoryMax", "TasksMax"])
def test_a_unit_is_bounded(path, limit):
    """One that runs away takes no other with it."""
    assert re.search(rf"^{limit}=\d+[MG]?$", path.read_text(), re.MULTILINE)
