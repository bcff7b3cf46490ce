"""Which path means what."""

import pytest

from llmgw_httpapi.paths import Endpoint, Paths
from llmgw_protocols import dialect_named
from llmgw_relay.call import Verb

CHAT, MESSAGES, GEMINI = (dialect_named(name) for name in ("chat", "messages", "gemini"))
PATHS = Paths()


def find(raw: str) -> Endpoint | None:
    return PATHS.find({"path": raw, "raw_path": raw.encode(), "headers": [], "method": "POST"})


def test_fixed_paths() -> None:
    """Chat and messages have their documented paths, chat also without the version."""
    found = [find(p) for p in ("/v1/chat/completions", "/chat/completions", "/v1/messages")]
    assert [Endpoint(CHAT), Endpoint(CHAT), Endpoint(MESSAGES)] == found


@pytest.mark.parametrize(
    ("path", "model", "stream", "version"),
    [
        ("/v1beta/models/gemini-pro:generateContent", "gemini-pro", False, "v1beta"),
        ("/v1beta/models/gemini-pro:streamGenerateContent", "gemini-pro", True, "v1beta"),
        ("/v1/models/gemini-pro:generateContent", "gemini-pro", False, "v1"),
        ("/v1beta/models/sim/gemini:generateContent", "sim/gemini", False, "v1beta"),
        ("/v1beta/models/sim%2Fgemini:generateContent", "sim/gemini", False, "v1beta"),
        ("/v1beta/models%2Fsim%2Fgemini:generateContent", "sim/gemini", False, "v1beta"),
        ("/v1beta/models/models%2Fgemini-pro:generateContent", "gemini-pro", False, "v1beta"),
        ("/v1beta/sim/gemini:generateContent", "sim/gemini", False, "v1beta"),
        ("/v1/gemini-pro:streamGenerateContent", "gemini-pro", True, "v1"),
        ("/models/gemini-pro:generateContent", "gemini-pro", False, "v1beta"),
        ("/v1/models/llama:70b:free:generateContent", "llama:70b:free", False, "v1"),
        ("/v1/models/gemini-pro%3AgenerateContent", "gemini-pro", False, "v1"),
        ("/v1/models/a%252Fb:generateContent", "a%2Fb", False, "v1"),
    ],
)
def test_gemini_paths(path: str, model: str, stream: bool, version: str) -> None:
    """Every form in which Gemini's clients write a model leads to the same name, decoded once."""
    assert Endpoint(GEMINI, model, stream, version) == find(path)


def test_gemini_path_without_raw_path() -> None:
    """A server that gives only the decoded path is served, without decoding it again."""
    expected = Endpoint(GEMINI, "a%2Fb", False, "v1")
    assert expected == PATHS.find({"path": "/v1/models/a%2Fb:generateContent"})


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/models/",
        "/v1beta/models/:generateContent",
        "/v2/models/gemini:generateContent",
        "/v1/chat/completions/",
        "/v1/generateContent",
    ],
)
def test_other_paths_are_unknown(path: str) -> None:
    """What carries no call is not found, a verb without a model least of all."""
    assert find(path) is None


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/v1/nothing", {}, CHAT),
        ("/v1/nothing", {"anthropic-version": "2023-06-01"}, MESSAGES),
        ("/messages", {}, MESSAGES),
        ("/v1beta/nothing", {}, GEMINI),
        ("/nothing", {"x-goog-api-key": "k"}, GEMINI),
        ("/nothing", {"x-goog-api-client": "c"}, GEMINI),
    ],
)
def test_dialect_is_guessed(path: str, headers: dict[str, str], expected: object) -> None:
    """A wrong path is answered in the dialect that its sender's path or headers show, OpenAI's by default."""
    assert expected is PATHS.guess(path, headers)


@pytest.mark.parametrize(
    ("path", "headers", "dialect", "model"),
    [
        ("/v1/models", {}, CHAT, None),
        ("/v1/models", {"anthropic-version": "2026-10-21"}, MESSAGES, None),
        ("/v1/models", {"x-goog-api-key": "k"}, GEMINI, None),
        ("/v1/models", {"x-goog-api-client": "c"}, GEMINI, None),
        ("/v1beta/models", {}, GEMINI, None),
        ("/v1/models/sim%2Fgpt", {}, CHAT, "sim/gpt"),
        ("/v1/models/ft:gpt-4.1:acme", {}, CHAT, "ft:gpt-4.1:acme"),
        ("/v1beta/models/sim/gemini", {}, GEMINI, "sim/gemini"),
    ],
)
def test_the_list_of_models_has_three_shapes_on_one_path(path, headers, dialect, model) -> None:
    """Whose SDK asks is told by its headers; a model's name may hold slashes and colons."""
    scope = {
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
    }
    found = PATHS.find(scope)
    assert found is not None
    assert (dialect, model, Verb.LIST, ("GET",)) == (found.dialect, found.model, found.verb, found.methods)


@pytest.mark.parametrize(
    ("path", "dialect", "model", "name"),
    [
        ("/v1/embeddings", CHAT, None, "embeddings"),
        ("/embeddings", CHAT, None, "embeddings"),
        ("/v1/moderations", CHAT, None, "moderations"),
        ("/v1/messages/count_tokens", MESSAGES, None, "count_tokens"),
        ("/v1beta/models/sim/gemini:countTokens", GEMINI, "sim/gemini", "count_tokens"),
        ("/v1/models/gemini:embedContent", GEMINI, "gemini", "embeddings"),
        ("/v1beta/models/gemini:batchEmbedContents", GEMINI, "gemini", "embeddings"),
    ],
)
def test_the_smaller_questions_have_their_paths(path, dialect, model, name) -> None:
    """Each is asked in the dialect of its SDK."""
    found = find(path)
    assert found is not None
    assert found.enquiry is not None
    assert (dialect, model, Verb.ENQUIRE, name) == (found.dialect, found.model, found.verb, found.enquiry.name)
