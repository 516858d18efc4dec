"""The engine's rooms: imports go one way, and only descriptions of kinds name a column."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import analytics_engine
import pytest

from tests.unit.analytics.conftest import ORDERS

ROOT = Path(analytics_engine.__file__).parent
BELOW = {
    "errors": set(),
    "records": {"errors"},
    "rules": {"errors", "records"},
    "evaluation": {"errors", "records", "rules"},
    "service": {"errors", "records", "rules", "evaluation"},
    "offline": {"errors", "records", "rules", "evaluation"},
    "cli": {"errors", "records", "rules", "evaluation", "service", "offline"},
    "__main__": {"cli"},
    "__init__": set(),
}
"""What each room, or module beside them, may import but for itself."""


def modules() -> list[tuple[str, ast.Module]]:
    paths = sorted(ROOT.rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return [(name, ast.parse(path.read_text())) for name, path in zip(names, paths, strict=True)]


def imported(tree: ast.Module) -> set[str]:
    """The engine's modules that one imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("analytics_engine"):
            package = node.module.removeprefix("analytics_engine").removeprefix(".")
            for alias in node.names:
                name = f"{package}.{alias.name}".removeprefix(".")
                is_module = (ROOT / f"{name.replace('.', '/')}.py").exists()
                found.add(name if is_module else package)
    return found


@pytest.mark.parametrize(("name", "tree"), modules())
def test_imports_go_one_way(name: str, tree: ast.Module) -> None:
    room = name.partition(".")[0]
    assert {other.partition(".")[0] for other in imported(tree)} <= BELOW[room] | {room}


def test_no_modules_import_each_other_in_a_circle() -> None:
    tuple(TopologicalSorter({name: imported(tree) for name, tree in modules()}).static_order())


@pytest.mark.parametrize(("name", "tree"), modules())
def test_no_column_of_an_order_is_named(name: str, tree: ast.Module) -> None:
    """A kind's description alone says what stands in a record."""
    constants = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not (constants | attributes) & ORDERS.kind.columns.keys()
    texts = [text for text in constants if isinstance(text, str) and "SELECT" in text]
    named = [column for column in ORDERS.kind.columns for text in texts if column in text]
    assert not named
