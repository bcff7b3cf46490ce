import pytest

from llmgw_simulator.claude_models import capabilities, line, version


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-opus-4-5", ("opus", (4, 5))),
        ("claude-sonnet-4-20250514", ("sonnet", (4, 0))),
        ("claude-sonnet-4-5-20250929", ("sonnet", (4, 5))),
        ("claude-3-7-sonnet-20250219", ("sonnet", (3, 7))),
        ("claude-fable-5-1", ("fable", (5, 1))),
        ("sim/claude", (None, (99, 0))),
    ],
)
def test_names_tell_line_and_version(model, expected):
    """In the old and the new order."""
    assert expected == (line(model), version(model))


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("claude-3-5-sonnet-20240620", []),
        ("claude-sonnet-4-5", ["disabled", "enabled"]),
        ("claude-opus-4-6", ["adaptive", "disabled", "enabled"]),
        ("claude-opus-4-7", ["adaptive", "disabled"]),
        ("claude-opus-5-5", ["adaptive", "between_tools"]),
        ("sim/claude", ["adaptive", "between_tools", "disabled", "enabled"]),
    ],
)
def test_ways_to_think_follow_from_the_version(model, thinking):
    """Budgets go, adaptive thinking comes, and in the end it cannot be turned off."""
    found = capabilities(model)["thinking"]
    kinds = sorted(kind for kind, told in found["types"].items() if told["supported"])
    assert [kind for kind in kinds if found["supported"]] == thinking
