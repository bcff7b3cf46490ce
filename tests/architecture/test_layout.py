"""The house rules that import-linter can't express."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MEMBERS = sorted(p.parent for p in [*ROOT.glob("packages/*/pyproject.toml"), *ROOT.glob("apps/*/pyproject.toml")])


def import_name(member: Path) -> str:
    return f"llmgw_{member.name}"


def sources(member: Path) -> list[Path]:
    return sorted((member / "src").rglob("*.py"))


def ids(member: Path) -> str:
    return member.name


def test_every_package_is_a_member_and_under_contract():
    """A new folder below packages/ or apps/ must be listed in the workspace and in the layers."""
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    layers = re.findall(r"\w+", " ".join(next(c for c in contracts if c["type"] == "layers")["layers"]))
    folders = sorted(str(p.relative_to(ROOT)) for p in [*ROOT.glob("packages/*"), *ROOT.glob("apps/*")] if p.is_dir())
    assert sorted(PROJECT["tool"]["uv"]["workspace"]["members"]) == folders
    assert sorted(layers) == sorted(import_name(m) for m in MEMBERS)
    assert sorted(PROJECT["tool"]["importlinter"]["root_packages"]) == sorted(layers)


@pytest.mark.parametrize("member", MEMBERS, ids=ids)
def test_every_package_declares_what_it_imports(member):
    """A package's pyproject names each distribution that its code imports, and nothing is imported by luck."""
    declared = {
        re.split(r"[\s<>=!;\[~]", d)[0].replace("-", "_").lower()
        for d in tomllib.loads((member / "pyproject.toml").read_text())["project"]["dependencies"]
    }
    used = {name for source in sources(member) for name in third_party(source)} - {import_name(member)}
    assert {DISTRIBUTIONS.get(name, name) for name in used} - declared == set()


DISTRIBUTIONS = {"google": "google_auth"}
"""Distributions that are imported under another name than their own."""


def third_party(source: Path) -> set[str]:
    import sys

    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names.update(a.name.split(".")[0] for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return {n for n in names if n not in sys.stdlib_module_names}


@pytest.mark.parametrize("member", MEMBERS, ids=ids)
def test_every_module_with_logic_has_its_mirrored_test(member):
    """src/llmgw_x/a/b.py is tested by tests/a/test_b.py, so that a reader finds one from the other."""
    missing = []
    for source in sources(member):
        relative = source.relative_to(member / "src" / import_name(member))
        if not has_logic(source) or relative.stem in ("__init__", "__main__") or relative.stem.startswith("testing"):
            continue
        mirror = member / "tests" / relative.parent / f"test_{relative.stem.lstrip('_')}.py"
        if not mirror.exists():
            missing.append(str(mirror.relative_to(ROOT)))
    assert missing == []


def has_logic(source: Path) -> bool:
    """Whether a module has a function with a statement besides its docstring and `...`; a `__repr__` is none."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("__"):
            body = [n for n in node.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
            if body:
                return True
    return False


@pytest.mark.parametrize("member", MEMBERS, ids=ids)
def test_every_package_opens_with_a_design_comment_and_few_doors(member):
    """A package's __init__ says what it is, and exports a handful of names."""
    tree = ast.parse((member / "src" / import_name(member) / "__init__.py").read_text())
    assert len((ast.get_docstring(tree) or "").split()) >= 25
    exported = [n for n in tree.body if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "__all__"]
    assert len(exported) <= 1
    if exported:
        assert len(ast.literal_eval(exported[0].value)) <= 16


BANNED_NAMES = re.compile(r"(Manager|Helper|Util|Utils|Handler|Data|Info)$")


@pytest.mark.parametrize("member", MEMBERS, ids=ids)
def test_no_class_is_named_for_nothing(member):
    """Names that could stand for anything (Manager, Helper, Data...) name nothing."""
    found = [
        f"{source.name}: {node.name}"
        for source in sources(member)
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.ClassDef) and BANNED_NAMES.search(node.name)
    ]
    assert found == []


def test_there_is_one_json_library():
    """Nothing imports the standard json module: its decoder is lenient about UTF-8 and duplicates."""
    found = [
        str(source.relative_to(ROOT))
        for member in MEMBERS
        for source in sources(member)
        if re.search(r"^\s*(import json\b|from json\b)", source.read_text(), re.M)
    ]
    assert found == []
