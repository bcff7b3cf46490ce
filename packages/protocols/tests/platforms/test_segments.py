from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_domain.errors import InvalidField
from llmgw_protocols.platforms._segments import segment, segments


@pytest.mark.parametrize(
    ("name", "expected"),
    [("gpt-4.1", "gpt-4.1"), ("claude@20250929", "claude@20250929"), ("a/b", "a%2Fb"), ("a?b#c%", "a%3Fb%23c%25")],
)
def test_a_name_is_one_segment(name, expected):
    """What would end the segment is quoted; what models' names hold is not."""
    assert expected == segment(name)


def test_slashes_divide_segments():
    """A resource's name keeps its slashes."""
    assert "publishers/meta/models/llama%20x" == segments("publishers/meta/models/llama x")


@pytest.mark.parametrize("name", ["..", ".", "", "a/../b", "a//b", "/a", "a/"])
def test_steps_through_the_path_are_refused(name):
    """A client's model can't lead to another resource, with its slashes quoted or not."""
    for read in (segment, segments):
        with pytest.raises(InvalidField) as refused:
            read(name)
        assert "model" == refused.value.param


@given(st.text())
def test_a_segment_never_leaves_its_place(name):
    """Whatever a client asks for, nothing in it divides or ends a path."""
    try:
        made = segment(name)
    except InvalidField:
        return
    assert not set("/?#\\ \r\n\0") & set(made)
    assert not {"", ".", ".."} & set(unquote(made).split("/"))
