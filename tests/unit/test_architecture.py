"""The house: imports go one way, and the drawings show the tables as they are."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "nobreak"
LAYERS = {
    "words": 0,
    "errors": 1,
    "lang": 1,
    "printable": 1,
    "core": 2,
    "settings": 3,
    "reporting": 4,
    "stores": 5,
    "engine": 6,
    "app": 7,
    "demo": 9,
    "integrations": 9,
    "faces": 9,
}
"""A part may import from its own layer and from those below it."""


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("nobreak")}


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE))
)
def test_imports_go_down_only(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    if parts[0] not in LAYERS:
        return  # nobreak/__init__.py and __main__.py: the door
    for module in imports_of(path):
        target = part_of(module)
        if target in LAYERS:
            assert LAYERS[target] <= LAYERS[parts[0]], f"{path}: imports {module}"


def test_the_core_knows_nothing_but_the_words():
    for path in (SOURCE / "core").glob("*.py"):
        others = {m for m in imports_of(path) if not m.startswith("nobreak.core")}
        assert others <= {"nobreak.words"}, path
        assert "import time" not in path.read_text("utf-8")
        assert "asyncio" not in path.read_text("utf-8")


def test_the_drawings_are_made_from_the_tables():
    check = [sys.executable, str(ROOT / "scripts" / "diagrams.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
