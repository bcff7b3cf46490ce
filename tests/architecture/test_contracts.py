"""The import contracts must be able to fail: plant a forbidden import, and see them refuse it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the sources and their contracts, laid out so that the copies are what is imported."""
    for source in [*ROOT.glob("packages/*/src/*"), *ROOT.glob("apps/*/src/*")]:
        if source.is_dir():
            shutil.copytree(source, tmp_path / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    return subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True)


def test_the_tree_keeps_its_contracts(copy):
    """As it stands the tree passes."""
    result = lint(copy)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("llmgw_domain/models.py", "import llmgw_pool", "imports only from the layers below"),
        ("llmgw_protocols/sse.py", "import asyncio", "Pure packages"),
        ("llmgw_balancer/slots.py", "import time", "Pure packages"),
        ("llmgw_eventstore/codec.py", "import os", "The log's contract"),
        ("llmgw_eventstore/spool/_frames.py", "import time", "The log's contract"),
        ("llmgw_httpapi/__init__.py", "import llmgw_pool", "imports only from the layers below"),
        ("llmgw_httpapi/__init__.py", "import aiohttp", "Provider connections"),
        ("llmgw_httpapi/__init__.py", "import psycopg", "PostgreSQL is the store's"),
        ("llmgw_simulator/__init__.py", "import llmgw_protocols", "independent opinion"),
    ],
)
def test_a_planted_import_is_refused(copy, module, line, contract):
    """An import across the layers, or of what a package must not touch, breaks its contract."""
    target = copy / module
    target.write_text(f"{target.read_text()}\n{line}\n")
    result = lint(copy)
    assert result.returncode == 1
    broken = [row for row in result.stdout.splitlines() if "BROKEN" in row]
    assert any(contract in row for row in broken), result.stdout
