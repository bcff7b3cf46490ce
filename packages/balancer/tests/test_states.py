import re
from pathlib import Path

import msgspec
import pytest

from llmgw_balancer import BalanceConfig, Circuit, Exclusion

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "balancing.md").read_text()


def listed(heading: str) -> dict[str, str]:
    """The first two columns of the table under a heading."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+?) *\|", section, re.MULTILINE)
    return dict(rows)


@pytest.mark.parametrize(
    ("heading", "words"),
    [("Why an account is left out", Exclusion), ("Circuits", Circuit)],
)
def test_every_word_is_explained(heading, words):
    """The operators' page names each word that they see, and no other."""
    assert {word.value for word in words} == set(listed(heading))


def test_every_key_is_listed_with_its_default():
    """Under `[balance]`."""
    expected = {}
    for field in msgspec.structs.fields(BalanceConfig):
        expected[f"balance.{field.name}"] = f"{field.default:g}"
    assert expected == listed("Configuration")
