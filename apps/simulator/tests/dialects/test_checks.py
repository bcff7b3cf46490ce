import pytest

from llmgw_simulator.ask import Media
from llmgw_simulator.dialects._checks import (
    data_url,
    free_text,
    inline,
    is_integer,
    is_objects,
    is_texts,
    json_object,
    kind_of,
)


def test_true_is_no_integer():
    """JSON's true is a number in Python only."""
    assert [True, False, False] == [is_integer(1), is_integer(True), is_integer(1.0)]


def test_arrays_of_one_kind():
    """All members count."""
    assert [True, True, False, False] == [is_objects([{}]), is_objects([]), is_objects([{}, 1]), is_objects({})]
    assert [True, False, False] == [is_texts(["a"]), is_texts(["a", 1]), is_texts("a")]


@pytest.mark.parametrize(("body", "expected"), [(b'{"a":1}', {"a": 1}), (b"[]", None), (b"{", None), (b'"\xff"', None)])
def test_only_an_object_is_a_body(body, expected):
    """Anything else is None."""
    assert expected == json_object(body)


def test_an_attachment_has_kind_and_decoded_size():
    """From base64 or a data URL; None from anything else."""
    assert Media("image", "image/png", 3) == inline("image/png", "AAAA")
    assert Media("document", "application/pdf", 3) == data_url("data:application/pdf;name=a;base64,AAAA")
    assert [None, None, None] == [inline("image/png", "A"), inline("image/png", 1), data_url("https://a")]
    assert ["audio", "video", "document"] == [kind_of("audio/wav"), kind_of("video/mp4"), kind_of("text/plain")]


def test_free_text_is_taken_from_arguments():
    """What the limit cut stays as it is."""
    assert "*** a" == free_text('{"input":"*** a"}')
    assert ('{"inp', "[1]") == (free_text('{"inp'), free_text("[1]"))
