import pytest

from llmgw_domain import Model


@pytest.mark.parametrize(
    ("pattern", "name", "star"),
    [
        ("gpt", "gpt", ""),
        ("gpt", "gpt-5", None),
        ("openai/*", "openai/gpt", "gpt"),
        ("openai/*", "openai/", None),
        ("*-latest", "claude-latest", "claude"),
        ("a*a", "aa", None),
        ("a*a", "aba", "b"),
        ("*", "anything/at:all", "anything/at:all"),
    ],
)
def test_the_star_matches_at_least_one_character(pattern, name, star):
    """A name matches exactly or by its star, and the star's part is given back."""
    assert Model(name=pattern, targets=()).match(name) == star
