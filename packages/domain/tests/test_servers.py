"""Servers and their variants."""

import msgspec
import pytest

from llmgw_domain.servers import GENERIC, Server, Variant

SERVER = Server(
    name="s",
    refuses=("n",),
    efforts=("high",),
    variants=(
        Variant(models=("Openai/gpt-oss*", "*-mini"), efforts=("low", "high"), reasoning_back="reasoning"),
        Variant(models=("*",), refuses=()),
    ),
)


@pytest.mark.parametrize("model", ["openai/gpt-oss", "OPENAI/GPT-OSS-120b", "x-mini"])
def test_a_variant_says_what_is_otherwise(model: str) -> None:
    """Only what the variant names differs; names are compared without regard to case."""
    made = SERVER.for_model(model)
    assert (("low", "high"), "reasoning", ("n",)) == (made.efforts, made.reasoning_back, made.refuses)


def test_the_first_variant_counts() -> None:
    """A later variant is for what the earlier ones don't cover; an empty value is a value."""
    assert ((), ("high",)) == (SERVER.for_model("gpt-4").refuses, SERVER.for_model("gpt-4").efforts)


@pytest.mark.parametrize(
    ("pattern", "model", "expected"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        ("a*", "a", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*", "", True),
        ("*b*", "abc", True),
        ("*b*b*", "abc", False),
        ("a*b*c", "abc", True),
        ("a*c*c", "abc", False),
    ],
)
def test_patterns(pattern: str, model: str, expected: bool) -> None:
    """A star stands for anything, also for nothing; what is around it may not overlap."""
    assert expected is Variant(models=(pattern,)).covers(model)


def test_nothing_said_is_the_generic_server() -> None:
    """The generic server has no name and no variants, and is itself for every model."""
    assert Server() == GENERIC
    assert GENERIC.for_model("anything") is GENERIC
    assert ("<Server generic>", "<Server s>") == (repr(GENERIC), repr(SERVER))


def test_every_flag_of_a_variant_is_one_of_the_server() -> None:
    """A variant has no flag that its server lacks."""
    assert set() == set(Variant.__struct_fields__) - {"models"} - set(Server.__struct_fields__)
    assert Server(name="s") == msgspec.json.decode(msgspec.json.encode(Server(name="s")), type=Server)
