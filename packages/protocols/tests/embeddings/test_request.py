import msgspec
import pytest

from llmgw_domain.errors import InvalidField
from llmgw_protocols import WireRequest
from llmgw_protocols.embeddings import GEMINI_BATCH_EMBED, GEMINI_EMBED, OPENAI_EMBEDDINGS
from llmgw_protocols.embeddings.request import (
    Passage,
    check_input,
    read_gemini,
    read_gemini_batch,
    read_openai,
    wants_base64,
)


def openai(**fields):
    return OPENAI_EMBEDDINGS.envelope(WireRequest(body=msgspec.json.encode({"model": "m", **fields})))


def gemini(body, enquiry=GEMINI_EMBED):
    return enquiry.envelope(WireRequest(body=msgspec.json.encode(body), path_model="m"))


def test_one_text_or_many():
    """A single text is a list of one."""
    assert ["a"] == read_openai(openai(input="a")).texts
    assert ["a", "b"] == read_openai(openai(input=["a", "b"], dimensions=3)).texts
    assert 3 == read_openai(openai(input="a", dimensions=3)).dimensions


@pytest.mark.parametrize("given", [[1, 2], [[1], [2, 3]]])
def test_token_ids_are_known_as_such(given):
    """They have no text that another provider could read."""
    read = read_openai(openai(input=given))
    assert (True, ()) == (read.tokens, read.passages)


@pytest.mark.parametrize("given", [[], 7, [["a"]], ["a", 1], [1, "a"], [-1], None, [[]] * 2049])
def test_an_input_that_is_none_is_refused(given):
    """By the field's name, whoever is to read it."""
    with pytest.raises(InvalidField, match="input"):
        check_input(openai(input=given).fields["input"])


def test_unknown_fields_are_remembered_by_name():
    """What only the client's own dialect has is told as lost."""
    assert ("truncate",) == read_openai(openai(input="a", truncate="x", user="u")).rest


def test_the_form_of_vectors_is_one_of_two():
    """Floats by default."""
    assert [False, False, True] == [
        wants_base64(openai(input="a", **more))
        for more in ({}, {"encoding_format": "float"}, {"encoding_format": "base64"})
    ]
    with pytest.raises(InvalidField, match="encoding_format"):
        wants_base64(openai(input="a", encoding_format="hex"))


def test_gemini_s_content_is_one_passage():
    """In either spelling, with what Google knows of it; the Vertex form keeps its wishes a level lower."""
    expected = Passage("a\nb", "RETRIEVAL_QUERY", "t")
    content = {"parts": [{"text": "a"}, {"text": "b"}]}
    config = {"task_type": "RETRIEVAL_QUERY", "title": "t", "outputDimensionality": 9}
    for body in ({"content": content, **config}, {"content": content, "embedContentConfig": config}):
        read = read_gemini(gemini(body))
        assert ((expected,), 9) == (read.passages, read.dimensions)


def test_a_batch_has_one_size():
    """Vectors of different sizes in one answer are nobody's wish."""
    item = {"content": {"parts": [{"text": "a"}]}}
    assert ["a", "a"] == read_gemini_batch(gemini({"requests": [item, item]}, GEMINI_BATCH_EMBED)).texts
    with pytest.raises(InvalidField, match="outputDimensionality"):
        read_gemini_batch(gemini({"requests": [item, {**item, "outputDimensionality": 3}]}, GEMINI_BATCH_EMBED))
    with pytest.raises(InvalidField, match="requests"):
        read_gemini_batch(gemini({"requests": []}, GEMINI_BATCH_EMBED))


@pytest.mark.parametrize("content", [{}, {"parts": []}, {"parts": [{"inlineData": {}}]}])
def test_other_media_are_refused(content):
    """Only text is embedded across dialects."""
    with pytest.raises(InvalidField, match="content"):
        read_gemini(gemini({"content": content}))
