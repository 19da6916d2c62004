"""The layers of ARCHITECTURE.md, held by import-linter: what `lint-imports` says is what this test says."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def lint_imports(config: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    arguments = ["--config", str(config), "--no-cache"]
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


def test_imports_keep_to_the_layers() -> None:
    outcome = lint_imports(ROOT / "pyproject.toml", ROOT)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_every_top_level_package_is_under_contract() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    present = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "examples"}

    assert present == set(listed)


def test_an_import_that_points_upward_is_found(tmp_path: Path) -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    for package in listed:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / "storage" / "orders.py").write_text("import tasks\n")

    outcome = lint_imports(ROOT / "pyproject.toml", tmp_path)

    assert outcome.returncode == 1
    assert "storage.orders -> tasks" in outcome.stdout
