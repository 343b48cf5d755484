from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from spantoll import instrumentation
from spantoll.instrumentation import providers, registry

PACKAGE = Path(instrumentation.__file__).parent
FOLDERS = sorted(path.name for path in Path(providers.__path__[0]).iterdir() if path.is_dir())
NAMES = [name for name in FOLDERS if name != "__pycache__"]
IMPORT_ALL = """
import importlib, pkgutil
from spantoll import instrumentation
for module in pkgutil.walk_packages(instrumentation.__path__, "spantoll.instrumentation."):
    importlib.import_module(module.name)
from spantoll.instrumentation import registry
instrumentation.instrument()
print(instrumentation.__file__, *sorted(registry.discover()))
"""


@pytest.mark.parametrize("removed", NAMES)
def test_without_a_provider_everything_else_imports(removed: str, tmp_path: Path) -> None:
    copy = tmp_path / "spantoll" / "instrumentation"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(copy / "providers" / removed)

    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    where, *found = done.stdout.split()
    assert where.startswith(str(tmp_path))
    assert found == [name for name in NAMES if name != removed]


def test_each_provider_is_called_as_its_folder() -> None:
    assert sorted(registry.discover()) == NAMES


def test_no_module_imports_itself_by_way_of_others() -> None:
    imports = {name: set(imported_modules(path)) for name, path in modules().items()}

    try:
        order = tuple(TopologicalSorter(imports).static_order())
    except CycleError as error:
        order = ()
        cycle = error.args[1]
        pytest.fail(" -> ".join(cycle))

    assert len(order) >= len(imports)


def modules() -> dict[str, Path]:
    return {name_of_module(path): path for path in PACKAGE.rglob("*.py")}


def name_of_module(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    named = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(("spantoll", "instrumentation", *named))


def imported_modules(path: Path) -> list[str]:
    """Modules of this package that a file imports anywhere, for types and in functions too."""
    known = modules()
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name if name in known else node.module for name in inside]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return [name for name in found if name in known and name != name_of_module(path)]
