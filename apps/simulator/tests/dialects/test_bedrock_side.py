import base64

import msgspec
import pytest

from llmgw_simulator.dialects.bedrock_side import count_tokens, embed
from llmgw_simulator.dialects.converse_request import parse_converse
from llmgw_simulator.engine import prompt_tokens
from llmgw_simulator.wire import Refusal

CLAUDE = "anthropic.claude-sonnet-4-5-v1:0"
TITAN, TITAN1 = "amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v1"
COHERE, COHERE4 = "cohere.embed-english-v3", "us.cohere.embed-v4:0"
MESSAGES = {"messages": [{"role": "user", "content": [{"text": "Hello there"}]}]}


def refused(function, *arguments):
    with pytest.raises(Refusal) as caught:
        function(*arguments)
    assert 400 == caught.value.status
    return caught.value.message


def native(**body):
    return {"input": {"invokeModel": {"body": base64.b64encode(msgspec.json.encode(body)).decode()}}}


def test_tokens_are_those_of_the_request():
    """In Converse's form and in the model's own."""
    expected = prompt_tokens(parse_converse(MESSAGES, CLAUDE, stream=False).ask)
    assert expected == count_tokens({"input": {"converse": MESSAGES}}, CLAUDE)
    own = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5}
    assert expected == count_tokens(native(messages=[{"role": "user", "content": "Hello there"}], **own), CLAUDE)


@pytest.mark.parametrize(
    ("body", "model", "message"),
    [
        ({"input": {"converse": MESSAGES}}, "missing-model", "The provided model identifier is invalid."),
        ({"input": {"converse": MESSAGES}}, "us." + CLAUDE, "The provided model doesn't support counting tokens."),
        (
            {"input": {}},
            CLAUDE,
            "CountTokensInput object at input must set one of the following keys: invokeModel, converse.",
        ),
        ({"input": {"converse": {**MESSAGES, "inferenceConfig": {}}}}, CLAUDE, "extraneous key [inferenceConfig]"),
        ({"input": {"invokeModel": {"body": "AAAA"}}}, CLAUDE, "Malformed input request"),
        (native(messages=[]), CLAUDE, "anthropic_version: Field required"),
        (native(anthropic_version="x", messages=[]), CLAUDE, "max_tokens: Field required"),
    ],
)
def test_what_is_not_counted(body, model, message):
    """Wrong requests, and models by the name of a profile."""
    assert message in refused(count_tokens, body, model)


def test_titan_embeds_one_text():
    """With sizes and forms in its second version."""
    made, tokens = embed({"inputText": "Hello"}, TITAN)
    assert (1024, 2, 2) == (len(made["embedding"]), made["inputTextTokenCount"], tokens)
    assert made["embedding"] == made["embeddingsByType"]["float"]
    both, _ = embed({"inputText": "Hello", "dimensions": 256, "embeddingTypes": ["binary"], "normalize": False}, TITAN)
    assert {0, 1} == set(both["embeddingsByType"]["binary"])
    assert "embedding" not in both
    assert 1536 == len(embed({"inputText": "Hello"}, TITAN1)[0]["embedding"])


def test_cohere_embeds_many():
    """As a list, or by type."""
    body = {"texts": ["a", "b"], "input_type": "search_query"}
    made, _ = embed(body, COHERE)
    assert ("embeddings_floats", [1024, 1024]) == (made["response_type"], [len(v) for v in made["embeddings"]])
    kinds = ["float", "int8", "uint8", "binary", "ubinary"]
    typed, _ = embed(body | {"embedding_types": kinds, "output_dimension": 256}, COHERE4)
    assert (kinds, "embeddings_by_type") == (list(typed["embeddings"]), typed["response_type"])
    assert [256, 256, 256, 32, 32] == [len(typed["embeddings"][kind][0]) for kind in kinds]
    assert all(0 <= value < 256 for value in typed["embeddings"]["uint8"][0])
    assert embed({"inputs": [{"content": []}], "input_type": "image"}, COHERE4)[0]["embeddings"]


@pytest.mark.parametrize(
    ("body", "model", "message"),
    [
        ({}, TITAN, "#: required key [inputText] not found"),
        ({"inputText": []}, TITAN, "#/inputText: expected type: String, found: JSONArray"),
        ({"inputText": ""}, TITAN, "expected minLength: 1, actual: 0"),
        ({"inputText": "a", "dimensions": 100}, TITAN, "#/dimensions: 100 is not a valid enum value"),
        ({"inputText": "a", "normalize": 1}, TITAN, "#/normalize: expected type: Boolean, found: Integer"),
        ({"inputText": "a", "dimensions": 256}, TITAN1, "#: extraneous key [dimensions] is not permitted"),
        ({"texts": ["a"]}, COHERE, "#: required key [input_type] not found"),
        ({"texts": ["a"], "input_type": "x"}, COHERE, "#/input_type: x is not a valid enum value"),
        ({"texts": ["a"], "input_type": "image", "truncate": "LEFT"}, COHERE, "#/truncate: LEFT is not"),
        ({"texts": [], "input_type": "image"}, COHERE, "#/texts: expected minimum item count: 1, found: 0"),
        ({"texts": ["a"] * 97, "input_type": "image"}, COHERE, "expected maximum item count: 96, found: 97"),
        ({"input_type": "image"}, COHERE, "exactly one of [texts, images, inputs]"),
        ({"texts": ["a"], "input_type": "image", "embedding_types": ["x"]}, COHERE, "#/embedding_types: x is not"),
        ({"prompt": "a"}, "meta.llama3-3-70b-instruct-v1:0", "invokes embedding models of Titan and Cohere only"),
    ],
)
def test_what_the_models_refuse(body, model, message):
    """In the words of a schema's validator."""
    assert message in refused(embed, body, model)
