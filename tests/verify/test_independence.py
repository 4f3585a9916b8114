"""The verifier shares nothing with the package that it verifies but the format of the file."""

import ast
import subprocess
import sys
from pathlib import Path

import pacbayes.verify

FILES = sorted(Path(pacbayes.verify.__file__).parent.rglob("*.py"))
ALLOWED = {"pacbayes.schemas", "pacbayes.verify", "flint"}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield node.module


def test_it_imports_the_standard_library_flint_and_the_schemas():
    assert len(FILES) > 5
    for path in FILES:
        for name in imported(path):
            known = name.partition(".")[0] in sys.stdlib_module_names or name == "__future__"
            own = name in ALLOWED or name.startswith("pacbayes.verify.")
            assert known or own, (path.name, name)


def test_nothing_else_of_the_package_is_loaded():
    code = (
        "import sys, pacbayes.verify; print(*(n for n in sys.modules if n.startswith(("
        "'numpy', 'scipy', 'torch', 'pacbayes'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if not name.startswith("pacbayes.verify")}
    assert loaded == {"pacbayes", "pacbayes.version", "pacbayes.schemas"}


def test_the_core_is_one_small_module():
    lines = {path.stem: len(path.read_text().splitlines()) for path in FILES}
    assert lines["core"] <= 400
    assert max(lines.values()) <= 400
