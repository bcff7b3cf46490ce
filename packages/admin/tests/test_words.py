from typing import get_args

import pytest

from llmgw_admin import words
from llmgw_affinity.decide import Cause as Lost
from llmgw_affinity.decide import Kind, Reason, Trouble
from llmgw_affinity.placing import Placement
from llmgw_balancer import Exclusion
from llmgw_domain.models import Cause


@pytest.mark.parametrize(
    ("table", "known"),
    [
        (words.DECISIONS, get_args(Kind)),
        (words.REASONS, get_args(Reason)),
        (words.TROUBLES, [word for word in get_args(Trouble) if word]),
        (words.PLACEMENTS, get_args(Placement)),
        (words.CAUSES, [word for word in get_args(Lost) if word]),
        (words.EXCLUSIONS, [str(word) for word in Exclusion]),
        (words.FALLBACKS, get_args(Cause)),
    ],
)
def test_every_word_that_is_recorded_has_its_sentence(table, known):
    """No more words and no fewer than those that choices are recorded in."""
    assert sorted(known) == sorted(table)


def test_a_word_of_another_release_stands_for_itself():
    """It is better than nothing."""
    assert "sideways" == words.said(words.DECISIONS, "sideways")
