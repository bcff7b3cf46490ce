import pytest
from google import genai
from google.genai import types

from llmgw_simulator import Simulator
from llmgw_simulator.dialects.gemini_request import parse_gemini
from llmgw_simulator.dialects.gemini_side import count_gemini, embed_many, embed_one, predict
from llmgw_simulator.engine import prompt_tokens
from llmgw_simulator.wire import Refusal

USER = {"role": "user", "parts": [{"text": "Hello there"}]}
RESOURCE = "projects/p/locations/l/publishers/google/models/m"
CONTENT = {"content": {"parts": [{"text": "Hello"}]}}


def refused(function, *arguments):
    with pytest.raises(Refusal) as caught:
        function(*arguments)
    return caught.value.message


def test_contents_or_a_whole_request_are_counted():
    """Like the same request when it is answered."""
    whole = {"contents": [USER], "systemInstruction": {"parts": [{"text": "Be terse."}]}}
    expected = prompt_tokens(parse_gemini(whole, "m", stream=False, array=False).ask)
    request = {"generateContentRequest": {**whole, "model": "models/m"}}
    made = count_gemini(request, "m")
    details = [{"modality": "TEXT", "tokenCount": expected}]
    assert {"totalTokens": expected, "promptTokensDetails": details} == made
    assert expected == count_gemini(whole, "m", RESOURCE)["totalTokens"]
    assert expected > count_gemini({"contents": [USER]}, "m")["totalTokens"]


def test_vertex_counts_characters_too():
    """White space is free."""
    assert 10 == count_gemini({"contents": [USER]}, "m", RESOURCE)["totalBillableCharacters"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "contents is not specified"),
        ({"contents": [USER], "systemInstruction": {}}, 'Unknown name "systemInstruction"'),
        ({"generateContentRequest": {"contents": [USER]}}, "the model must be that of the endpoint"),
        ({"generateContentRequest": 1}, "generate_content_request"),
        ({"contents": [USER], "generateContentRequest": {}}, "only one of contents and generate_content_request"),
    ],
)
def test_what_is_not_counted(body, message):
    """AI Studio's form is the narrower one."""
    assert message in refused(count_gemini, body, "m")


def test_one_content_is_embedded():
    """With the size asked for, and usage where the model tells it."""
    assert 3072 == len(embed_one(CONTENT, "gemini-embedding-001")["embedding"]["values"])
    made = embed_one({**CONTENT, "outputDimensionality": 8, "taskType": "CLUSTERING"}, "gemini-embedding-2")
    assert (8, 2) == (len(made["embedding"]["values"]), made["usageMetadata"]["promptTokenCount"])
    nested = embed_one({**CONTENT, "embedContentConfig": {"outputDimensionality": 8}}, "gemini-embedding-2", RESOURCE)
    assert (8, 2) == (len(nested["embedding"]["values"]), nested["usageMetadata"]["totalTokenCount"])


def test_a_batch_is_embedded_in_order():
    """Each as if it were alone."""
    requests = [{"model": "models/e", "content": {"parts": [{"text": text}]}} for text in ("a", "b")]
    made = embed_many({"requests": requests}, "e")
    single = [embed_one({"content": request["content"]}, "e")["embedding"] for request in requests]
    assert single == made["embeddings"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"requests": []}, "requests is not specified"),
        ({"requests": [CONTENT]}, "requests[0].model: the model must be specified"),
        ({"requests": [{"model": "models/e"}]}, "contents is not specified"),
        ({"requests": [{"model": "models/e", **CONTENT}] * 101}, "at most 100 requests"),
        (
            {"requests": [{"model": "models/e", "task_type": "X", **CONTENT}]},
            "Invalid value at 'requests[0].task_type'",
        ),
        ({"requests": [{"model": "models/e", "dimensions": 3, **CONTENT}]}, 'Unknown name "dimensions"'),
        ({"requests": [{"model": "models/e", "outputDimensionality": 0, **CONTENT}]}, "must be between 1 and 3072"),
        ({"requests": [{"model": "models/e", "outputDimensionality": "8", **CONTENT}]}, "(TYPE_INT32)"),
        ({"requests": [{"model": "models/e", "content": {"parts": [{"text": ""}]}}]}, "text must not be empty"),
        ({"requests": [{"model": "models/e", "content": {"parts": [{"text": 1}]}}]}, "(TYPE_STRING)"),
    ],
)
def test_what_is_not_embedded(body, message):
    """In Google's words."""
    assert message in refused(embed_many, body, "e")


def test_instances_are_predicted():
    """Vertex's own form for embedding models."""
    instances = [{"content": "Hello you", "task_type": "RETRIEVAL_QUERY"}]
    made = predict({"instances": instances, "parameters": {"outputDimensionality": 4}}, "text-embedding-005", RESOURCE)
    embedding = made["predictions"][0]["embeddings"]
    assert (4, {"token_count": 3, "truncated": False}) == (len(embedding["values"]), embedding["statistics"])
    assert {"billableCharacterCount": 8} == made["metadata"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Empty instances."),
        ({"instances": [{"content": "a"}] * 2}, "Max allowed: 1"),
        ({"instances": [{"content": ""}]}, "The text content is empty."),
        ({"instances": [{"content": 1}]}, "(TYPE_STRING)"),
        ({"instances": [{"content": "a", "x": 1}]}, 'Unknown name "x"'),
        ({"instances": [{"content": "a"}], "parameters": {"x": 1}}, 'Unknown name "x"'),
    ],
)
def test_what_is_not_predicted(body, message):
    """The newer models take one instance at a time."""
    assert message in refused(predict, body, "gemini-embedding-001", RESOURCE)


@pytest.mark.parametrize(
    ("function", "method"), [(count_gemini, "countTokens"), (embed_one, "embedContent"), (embed_many, "embedContent")]
)
def test_the_missing_model_is_missed(function, method):
    """With the method that it lacks."""
    assert f"is not supported for {method}." in refused(function, {}, "missing-model")


async def test_the_official_sdk_counts_and_embeds():
    """On AI Studio it embeds by the batch."""
    async with Simulator().serve() as running:
        options = types.HttpOptions(base_url=running.base_url)
        async with genai.Client(api_key="key-1", http_options=options).aio as client:
            counted = await client.models.count_tokens(model="gemini-2.5-flash", contents="Hello")
            answer = await client.models.generate_content(model="gemini-2.5-flash", contents="Hello")
            assert counted.total_tokens == answer.usage_metadata.prompt_token_count
            config = types.EmbedContentConfig(output_dimensionality=8)
            made = await client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"], config=config)
            assert [8, 8] == [len(embedding.values) for embedding in made.embeddings]
        assert running.log.entries[-1].path.endswith(":batchEmbedContents")
