import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.accounts import Platform
from llmgw_domain.errors import UnsupportedField, UpstreamMalformed
from llmgw_protocols import TargetFacts
from llmgw_protocols.embeddings.request import EmbeddingRequest, Passage
from llmgw_protocols.embeddings.targets import write

PLATFORM = Platform(project="p", location="eu", region="r")
TWO = EmbeddingRequest(passages=(Passage("aaaa"), Passage("b", "RETRIEVAL_QUERY", "t")), dimensions=3)


def written(provider, model, request=TWO):
    requests, read = write(request, TargetFacts(provider=Provider(provider), model=model, platform=PLATFORM))
    bodies = [msgspec.json.decode(r.body) for r in requests]
    return requests, bodies, lambda *answers: read([msgspec.json.encode(a) for a in answers])


def test_openai_s_vectors_are_put_in_order():
    """By their index; the count is the provider's."""
    requests, bodies, read = written("openai", "m")
    assert "/embeddings" == requests[0].path
    assert [{"model": "m", "input": ["aaaa", "b"], "encoding_format": "float", "dimensions": 3}] == bodies
    data = [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]
    got = read({"data": data, "usage": {"prompt_tokens": 7}})
    assert ([b"[1]", b"[2]"], 7) == ([bytes(v) for v in got.vectors], got.usage.input)
    assert ("taskType",) == requests[0].lossy


def test_google_takes_a_batch():
    """Each request names the model again."""
    requests, bodies, read = written("google", "gemini-embedding-2")
    assert "/v1beta/models/gemini-embedding-2:batchEmbedContents" == requests[0].path
    assert "models/gemini-embedding-2" == bodies[0]["requests"][1]["model"]
    assert ("RETRIEVAL_QUERY", "t", 3) == tuple(
        bodies[0]["requests"][1][k] for k in ("taskType", "title", "outputDimensionality")
    )
    got = read({"embeddings": [{"values": [1]}, {"values": [2]}]})
    assert (2, "estimated") == (len(got.vectors), got.usage.provenance)


def test_vertex_asks_its_gemini_models_once_a_passage():
    """`embedContent` takes one."""
    requests, bodies, read = written("vertex", "gemini-embedding-2")
    path = "/v1/projects/p/locations/eu/publishers/google/models/gemini-embedding-2:embedContent"
    assert [path] * 2 == [r.path for r in requests]
    assert {"taskType": "RETRIEVAL_QUERY", "title": "t", "outputDimensionality": 3} == bodies[1]["embedContentConfig"]
    answer = {"embedding": {"values": [1]}, "usageMetadata": {"promptTokenCount": 4}}
    assert 8 == read(answer, answer).usage.input


@pytest.mark.parametrize(("model", "requests"), [("text-embedding-005", 1), ("gemini-embedding-001", 2)])
def test_vertex_predicts_with_older_models(model, requests):
    """All passages at once, where the model takes them."""
    made, bodies, read = written("vertex", model)
    assert (requests, True) == (len(made), made[0].path.endswith(f"{model}:predict"))
    assert {"outputDimensionality": 3} == bodies[0]["parameters"]
    assert {"content": "b", "task_type": "RETRIEVAL_QUERY", "title": "t"} == bodies[-1]["instances"][-1]
    one = {"embeddings": {"values": [1], "statistics": {"token_count": 4, "truncated": False}}}
    answers = [{"predictions": [one, one]}] if requests == 1 else [{"predictions": [one]}] * 2
    got = read(*answers)
    assert (2, 8) == (len(got.vectors), got.usage.input)


def test_titan_takes_one_text_a_request():
    """Its second version has several sizes, its first has not."""
    requests, bodies, read = written("bedrock", "amazon.titan-embed-text-v2:0")
    assert "/model/amazon.titan-embed-text-v2%3A0/invoke" == requests[0].path
    assert [{"inputText": "aaaa", "dimensions": 3}, {"inputText": "b", "dimensions": 3}] == bodies
    answer = {"embedding": [1], "inputTextTokenCount": 5}
    assert 10 == read(answer, answer).usage.input
    requests, bodies, _ = written("bedrock", "amazon.titan-embed-text-v1")
    assert [{"inputText": "aaaa"}, {"inputText": "b"}] == bodies
    assert "dimensions" in requests[0].lossy


def test_cohere_takes_96_texts_a_request():
    """The wish of the first passage is that of all; both forms of its answer are read."""
    many = EmbeddingRequest(passages=tuple(Passage(str(i), "CLUSTERING") for i in range(100)))
    _, bodies, read = written("bedrock", "cohere.embed-english-v3", many)
    assert [96, 4] == [len(b["texts"]) for b in bodies]
    assert "clustering" == bodies[0]["input_type"]
    got = read({"embeddings": {"float": [[1]] * 96}}, {"embeddings": [[2]] * 4})
    assert (100, "estimated") == (len(got.vectors), got.usage.provenance)
    assert 3 == written("bedrock", "cohere.embed-v4:0")[1][0]["output_dimension"]


@pytest.mark.parametrize(
    ("provider", "model"), [("anthropic", "claude"), ("bedrock", "anthropic.claude"), ("bedrock", "amazon.nova-pro")]
)
def test_a_target_without_vectors_is_refused(provider, model):
    """The model is named."""
    with pytest.raises(UnsupportedField, match="model"):
        written(provider, model)


def test_token_ids_stay_with_their_own_provider():
    """No other could read them."""
    with pytest.raises(UnsupportedField, match="texts"):
        written("google", "m", EmbeddingRequest(passages=(), tokens=True))


@pytest.mark.parametrize("provider", ["openai", "google", "vertex", "bedrock"])
def test_an_answer_that_is_none_is_the_provider_s_fault(provider):
    """Whatever else the body may be."""
    model = "amazon.titan-embed-text-v2:0" if provider == "bedrock" else "text-embedding"
    _, _, read = written(provider, model)
    with pytest.raises(UpstreamMalformed):
        read({"predictions": 7, "embeddings": 7, "data": 7})
