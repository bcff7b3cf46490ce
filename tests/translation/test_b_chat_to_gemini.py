"""Chat Completions asked of Google: the request, its schemas, the answer, the stream, the errors."""

from __future__ import annotations

import base64

import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.errors import UpstreamFailed, UpstreamMalformed

SIGNATURE = base64.b64encode(b"signed by google").decode()
STAND_IN = base64.b64encode(b"skip_thought_signature_validator").decode()
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}


@pytest.fixture
def gemini(crossing):
    """A current model: it thinks by level and signs its calls."""
    return crossing("chat", Provider.GOOGLE, "gemini-3-flash")


@pytest.fixture
def older(crossing):
    """A model that thinks by a budget."""
    return crossing("chat", Provider.GOOGLE, "gemini-2.5-flash")


def user(content):
    return [{"role": "user", "content": content}]


def function(name="f", **more):
    return {"type": "function", "function": {"name": name, **more}}


def call(id="call_1", name="f", arguments='{"a":1}', **more):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def assistant(*calls, **more):
    return {"role": "assistant", "tool_calls": list(calls), **more}


def result(call_id="call_1", content="rain"):
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def sent_parts(gemini, *parts):
    """The parts that a user's parts become."""
    return gemini.sent(messages=user(list(parts)))["contents"][0]["parts"]


def declared(gemini, parameters):
    """The schema that a function's parameters become."""
    tools = gemini.sent(tools=[function(parameters=parameters)])["tools"]
    return tools[0]["functionDeclarations"][0].get("parametersJsonSchema")


def chunk(*parts, finish=None, **more):
    """A piece of Google's stream, or a whole answer."""
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **more}


def google_call(name="f", args=None, **more):
    return {"functionCall": {"name": name, "args": args or {}}, **more}


def message(gemini, *parts, finish="STOP"):
    return gemini.answered(chunk(*parts, finish=finish))["choices"][0]["message"]


def deltas(chunks):
    return [c["choices"][0]["delta"] for c in chunks if c != "[DONE]" and c["choices"]]


def said(chunks, field):
    return "".join(d.get(field) or "" for d in deltas(chunks))


def finish(chunks):
    found = [c["choices"][0]["finish_reason"] for c in chunks if c != "[DONE]" and c["choices"]]
    return [reason for reason in found if reason]


def usage(chunks):
    return [c["usage"] for c in chunks if c != "[DONE]" and c.get("usage")]


def calls(chunks):
    return [c for d in deltas(chunks) for c in d.get("tool_calls", [])]


# --- the request ------------------------------------------------------------------------------------------------------


def test_b01_the_path_names_model_and_verb(gemini):
    """A stream is asked for as server-sent events; the model is the target's."""
    whole, stream = gemini.rendered(model="other"), gemini.rendered(model="other", stream=True)
    assert ("/v1beta/models/gemini-3-flash:generateContent", "") == (whole.path, whole.query)
    assert ("/v1beta/models/gemini-3-flash:streamGenerateContent", "alt=sse") == (stream.path, stream.query)


def test_b02_system_text(gemini):
    """System and developer messages are parts of the instruction, in order; empty ones are none."""
    lead = [{"role": r, "content": c} for r, c in (("system", "one"), ("developer", "two"), ("system", ""))]
    assert {"parts": [{"text": "one"}, {"text": "two"}]} == gemini.sent(messages=[*lead, *user("Hi")])[
        "systemInstruction"
    ]
    assert "systemInstruction" not in gemini.sent()


def test_b03_turns_alternate(gemini):
    """Neighbouring user messages share a content; results stand in one of their own, which holds nothing else."""
    messages = [*user("a"), *user("b"), assistant(call()), result(), *user("c")]
    contents = gemini.sent(messages=messages, tools=[function()])["contents"]
    assert ["user", "model", "user", "user"] == [c["role"] for c in contents]
    assert [["text", "text"], ["functionResponse"], ["text"]] == [
        [next(iter(p)) for p in contents[n]["parts"]] for n in (0, 2, 3)
    ]


def test_b04_user_text(gemini):
    """Text is a part; an empty one is none."""
    assert [{"text": "Hi"}] == gemini.sent(messages=[*user(""), *user("Hi")])["contents"][0]["parts"]


def test_b05_images_in_data_urls(gemini):
    """They are inline; what is no base64, or no address, is refused with its place."""
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}] == sent_parts(gemini, part)
    for url in ("data:image/png;base64,A!", "data:nothing", ""):
        error = gemini.refused(messages=user([{"type": "image_url", "image_url": {"url": url}}]))
        assert (400, "messages[0].content[0].image_url.url") == (error.status, error.param)


@pytest.mark.parametrize(
    ("url", "mime"),
    [("https://x.test/a.png", "image/png"), ("gs://b/a.webp", "image/webp"), ("https://x.test/a", "image/jpeg")],
)
def test_b06_images_at_addresses(gemini, url, mime):
    """Google fetches them itself and wants the type, which the ending tells."""
    part = {"type": "image_url", "image_url": {"url": url}}
    assert [{"fileData": {"mimeType": mime, "fileUri": url}}] == sent_parts(gemini, part)


@pytest.mark.parametrize(("detail", "level"), [("low", "LOW"), ("high", "HIGH"), ("auto", None), (None, None)])
def test_b07_detail_of_images(gemini, older, detail, level):
    """It is the resolution of the part for models that have one by part, and nothing elsewhere."""
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": detail}}
    expected = {"level": f"MEDIA_RESOLUTION_{level}"} if level else None
    assert expected == sent_parts(gemini, part)[0].get("mediaResolution")
    assert "mediaResolution" not in sent_parts(older, part)[0]
    wrong = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "sharp"}}
    assert "messages[0].content[0].image_url.detail" == gemini.refused(messages=user([wrong])).param


def test_b08_audio_and_files_are_inline(gemini):
    """Gemini hears and reads both."""
    audio = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    file = {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}}
    types = [p["inlineData"]["mimeType"] for p in sent_parts(gemini, audio, file)]
    assert ["audio/wav", "application/pdf"] == types


def test_b09_what_an_assistant_said(gemini):
    """Texts and refusals are text parts; a part that nobody knows is refused."""
    parts = [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}]
    said_before = [*user("Hi"), {"role": "assistant", "content": parts}, *user("Go")]
    assert [{"text": "a"}, {"text": "b"}] == gemini.sent(messages=said_before)["contents"][1]["parts"]
    wrong = [*user("Hi"), {"role": "assistant", "content": [{"type": "smell"}]}]
    assert "messages[1].content[0].type" == gemini.refused(messages=wrong).param


def test_b10_calls_stand_behind_the_text(gemini):
    """In the order in which the model made them, arguments as an object; a call needs its id."""
    messages = [*user("Hi"), assistant(call(), content="Let me see."), result()]
    parts = gemini.sent(messages=messages, tools=[function()])["contents"][1]["parts"]
    assert ({"text": "Let me see."}, {"a": 1}) == (parts[0], parts[1]["functionCall"]["args"])
    assert 400 == gemini.refused(messages=[*user("Hi"), assistant(call(id=""))]).status
    messages = [*user("Hi"), assistant(call(arguments="{oops")), result()]
    args = gemini.sent(messages=messages)["contents"][1]["parts"][0]["functionCall"]["args"]
    assert {"__raw_arguments": "{oops"} == args


def test_b11_a_call_s_signature_goes_back_on_it(gemini):
    """It stands on the call in the client's history, as it came; other calls of the turn have none."""
    extra = {"extra_content": {"google": {"thought_signature": SIGNATURE}}}
    messages = [*user("Hi"), assistant(call(**extra), call(id="call_2")), result(), result("call_2")]
    parts = gemini.sent(messages=messages)["contents"][1]["parts"]
    assert [SIGNATURE, None] == [p.get("thoughtSignature") for p in parts]


def test_b12_calls_of_others_get_the_stand_in(gemini, older):
    """Google's documented value, on the first call of a turn, for models that demand one."""
    messages = [*user("Hi"), assistant(call(), call(id="call_2")), result(), result("call_2")]
    parts = gemini.sent(messages=messages)["contents"][1]["parts"]
    assert [STAND_IN, None] == [p.get("thoughtSignature") for p in parts]
    assert "thoughtSignature" not in older.sent(messages=messages)["contents"][1]["parts"][0]


def test_b13_signed_thinking(gemini):
    """Google's own thought goes back with its signature; another maker's, or an unsigned one, is left out."""
    detail = {"type": "reasoning.text", "text": "Hm.", "signature": SIGNATURE, "format": "google-gemini-v1"}
    for details, expected in (
        ([detail], [{"text": "Hm.", "thought": True, "thoughtSignature": SIGNATURE}]),
        ([{**detail, "signature": None}], []),
        ([{**detail, "format": "anthropic-claude-v1"}], []),
    ):
        turn = {"role": "assistant", "content": "Yes.", "reasoning_details": details}
        parts = gemini.sent(messages=[*user("Hi"), turn, *user("Go")])["contents"][1]["parts"]
        assert [*expected, {"text": "Yes."}] == parts


@pytest.mark.parametrize(
    ("content", "response"),
    [
        ("rain", {"output": "rain"}),
        ([{"type": "text", "text": "ra"}, {"type": "text", "text": "in"}], {"output": "rain"}),
        ('{"sky":"grey"}', {"sky": "grey"}),
    ],
)
def test_b14_results_name_their_function(gemini, content, response):
    """The name is the call's; text is wrapped, a JSON object is a response as it is."""
    messages = [*user("Hi"), assistant(call(name="weather")), result(content=content)]
    got = gemini.sent(messages=messages)["contents"][2]["parts"][0]["functionResponse"]
    assert ("weather", response) == (got["name"], got["response"])


def test_b15_settings(gemini):
    """Every setting has its counterpart."""
    wishes = {"temperature": 0.5, "top_p": 0.9, "seed": 1, "n": 2, "presence_penalty": 0.1, "frequency_penalty": 0.2}
    wishes |= {"max_tokens": 9, "max_completion_tokens": 7, "stop": "END", "logprobs": True, "top_logprobs": 3}
    config = gemini.sent(**wishes)["generationConfig"]
    expected = {"temperature": 0.5, "topP": 0.9, "seed": 1, "candidateCount": 2, "presencePenalty": 0.1}
    expected |= {"frequencyPenalty": 0.2, "maxOutputTokens": 7, "stopSequences": ["END"]}
    assert {**expected, "responseLogprobs": True, "logprobs": 3} == config
    assert ["a", "b"] == gemini.sent(stop=["a", "b"])["generationConfig"]["stopSequences"]


def test_b16_output_formats(gemini, older):
    """Text needs no word, JSON is a media type, a schema goes with it."""
    assert "generationConfig" not in gemini.sent(response_format={"type": "text"})
    expected = {"responseMimeType": "application/json"}
    assert expected == gemini.sent(response_format={"type": "json_object"})["generationConfig"]
    for model in (gemini, older):
        config = model.sent(response_format=FORMAT)["generationConfig"]
        assert {**expected, "responseJsonSchema": SCHEMA} == config


def test_b17_a_schema_as_text(gemini):
    """An object and its JSON text are the same; text that is none is refused."""

    def wanted(schema):
        return {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}

    as_text = gemini.sent(response_format=wanted(msgspec.json.encode(SCHEMA).decode()))
    assert gemini.sent(response_format=wanted(SCHEMA)) == as_text
    assert "response_format.json_schema.schema" == gemini.refused(response_format=wanted("{oops")).param


@pytest.mark.parametrize("name", ["guided_choice", "guided_regex", "guided_json"])
def test_b18_vllm_s_fields_are_named_as_lost(gemini, name):
    """They are one server's own; `response_format` says the same to every provider."""
    assert (name,) == gemini.lost(**{name: ["a"]})


@pytest.mark.parametrize(
    ("model", "effort", "level", "exact"),
    [
        ("gemini-3-flash", "none", "MINIMAL", True),
        ("gemini-3-flash", "minimal", "MINIMAL", True),
        ("gemini-3-flash", "low", "LOW", True),
        ("gemini-3-flash", "medium", "MEDIUM", True),
        ("gemini-3-flash", "high", "HIGH", True),
        ("gemini-3-pro", "none", "LOW", False),
        ("gemini-3-pro", "medium", "MEDIUM", True),
        ("gemini-3-pro", "high", "HIGH", True),
    ],
)
def test_b19_effort_is_a_level(crossing, model, effort, level, exact):
    """Models that always think get the least they have, and the difference is named."""
    rendered = crossing("chat", Provider.GOOGLE, model).rendered(reasoning_effort=effort)
    config = msgspec.json.decode(rendered.body)["generationConfig"]["thinkingConfig"]
    assert (level, exact) == (config["thinkingLevel"], not rendered.lossy)


def test_b19_effort_of_older_models(older, gemini, crossing):
    """It is a budget where levels are unknown, named where nothing is thought, refused where it is no effort."""
    assert 2048 == older.sent(reasoning_effort="low")["generationConfig"]["thinkingConfig"]["thinkingBudget"]
    assert ("reasoning_effort",) == crossing("chat", Provider.GOOGLE, "gemini-2.0-flash").lost(reasoning_effort="low")
    assert "reasoning_effort" == gemini.refused(reasoning_effort="huge").param


def test_b20_thinking_fields_of_others(older):
    """Anthropic's and Google's own forms say a budget, which counts more than an effort."""
    expected = {"thinkingBudget": 4000, "includeThoughts": True}
    wish = {"type": "enabled", "budget_tokens": 4000}
    for fields in (
        {"thinking": wish, "reasoning_effort": "high"},
        {"extra_body": {"google": {"thinking_config": {"thinking_budget": 4000, "include_thoughts": True}}}},
    ):
        assert expected == older.sent(**fields)["generationConfig"]["thinkingConfig"]


def test_b21_functions(gemini, older):
    """They share one entry; empty parameters are none; parameters that are no object are refused."""
    sent = gemini.sent(tools=[function("f", description="d", parameters=SCHEMA), function("g", parameters={})])
    expected = [{"name": "f", "description": "d", "parametersJsonSchema": SCHEMA}, {"name": "g"}]
    assert [{"functionDeclarations": expected}] == sent["tools"]
    assert SCHEMA == declared(older, SCHEMA)
    assert "tools[0].function.parameters" == gemini.refused(tools=[function(parameters=[1])]).param


def test_b22_searching_the_web(gemini):
    """OpenAI's search is Google's, and stands before the functions; tools of other kinds are refused."""
    sent = gemini.sent(tools=[function(), {"type": "web_search"}])["tools"]
    assert [["googleSearch"], ["functionDeclarations"]] == [list(t) for t in sent]
    assert {"googleSearch": {}} in gemini.sent(web_search_options={})["tools"]
    assert "tools" == gemini.refused(tools=[{"type": "image_generation"}]).param


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "f"}}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_b23_tool_choice(gemini, choice, expected):
    """Each choice has its counterpart; others are refused."""
    config = gemini.sent(tools=[function()], tool_choice=choice)["toolConfig"]["functionCallingConfig"]
    assert expected == config
    assert "tool_choice" == gemini.refused(tools=[function()], tool_choice="sometimes").param


def test_b24_google_s_own_fields(gemini):
    """Safety settings go through in any place that clients have for them; fields that Google lacks there are named."""
    safety = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    for name in ("safety_settings", "safetySettings"):
        assert safety == gemini.sent(**{name: safety})["safetySettings"]
    packed = {"google": {"safety_settings": safety, "thinking_config": {"thinking_level": "low"}}}
    rendered = gemini.rendered(extra_body=packed)
    assert (safety, ()) == (msgspec.json.decode(rendered.body)["safetySettings"], rendered.lossy)
    assert ("extra_body",) == gemini.lost(extra_body={"google": {"new": 1}})
    assert ("mediaResolution",) == gemini.lost(mediaResolution="MEDIA_RESOLUTION_LOW")


# --- schemas ----------------------------------------------------------------------------------------------------------


def test_b25_references_are_kept(gemini, older):
    """Gemini takes JSON Schema with definitions, recursive ones too; keywords that it does not know are left out."""
    recursive = {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}
    schema = {**recursive, "$defs": {"n": recursive}}
    for model in (gemini, older):
        assert schema == declared(model, {**schema, "$schema": "x", "if": {}})
    assert recursive["properties"] == declared(gemini, {**recursive, "definitions": {"n": recursive}})["properties"]


def test_b25_schemas_that_are_too_deep_are_refused(gemini):
    """The bound protects the gateway as well as Google."""
    deep = {"type": "string"}
    for _ in range(150):
        deep = {"type": "object", "properties": {"a": deep}}
    assert 400 == gemini.refused(tools=[function(parameters=deep)]).status


@pytest.mark.parametrize("types", [["string", "null"], ["string", "integer"], ["string"]])
def test_b26_lists_of_types_are_kept(gemini, types):
    """JSON Schema's own form needs no `nullable`."""
    schema = {"type": "object", "properties": {"a": {"type": types}}}
    assert schema == declared(gemini, schema)


def test_b27_any_of_is_kept(gemini):
    """With its null branch, if it has one."""
    schema = {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}
    assert schema == declared(gemini, schema)


def test_b28_all_of_is_merged(gemini):
    """One branch or many become one object; what can't hold together is named."""
    one = {"type": "object", "properties": {"a": {"allOf": [{"type": "string"}]}}}
    assert {"type": "string"} == declared(gemini, one)["properties"]["a"]
    two = {"allOf": [SCHEMA, {"properties": {"b": {"type": "integer"}}, "required": ["b"]}]}
    merged = declared(gemini, two)
    assert (["a", "b"], {"a", "b"}) == (merged["required"], merged["properties"].keys())
    clash = {"type": "object", "properties": {"a": {"allOf": [{"type": "string"}, {"type": "integer"}]}}}
    assert ("tools",) == gemini.lost(tools=[function(parameters=clash)])


# --- the answer -------------------------------------------------------------------------------------------------------


def test_b29_the_answer_s_envelope(gemini):
    """Id, time and model are the gateway's and the client's own."""
    got = gemini.answered(chunk({"text": "Hi"}, finish="STOP", responseId="x", modelVersion="gemini-3-flash-001"))
    assert ("chatcmpl-r1", 7, "asked") == (got["id"], got["created"], got["model"])


def test_b30_a_choice_for_each_candidate(gemini):
    """By their own index, else by place; null is none."""
    first = {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}
    got = gemini.answered({"candidates": [first, None, {**first, "index": 2}]})["choices"]
    assert [0, 2] == [c["index"] for c in got]


def test_b31_texts_and_thoughts_are_joined(gemini):
    """Each in its own field; an answer of calls alone has no content."""
    got = message(gemini, {"text": "Hm", "thought": True}, {"text": ".", "thought": True}, {"text": "a"}, {"text": "b"})
    assert ("Hm.", "ab") == (got["reasoning_content"], got["content"])
    assert message(gemini, google_call())["content"] is None


def test_b32_calls(gemini):
    """Google's id if it sent one, else one of ours; no arguments are an empty object."""
    got = message(
        gemini, {"functionCall": {"name": "f", "id": "fc1", "args": {"a": 1}}}, {"functionCall": {"name": "g"}}
    )
    first, second = got["tool_calls"]
    assert ("fc1", '{"a":1}') == (first["id"], first["function"]["arguments"])
    assert (True, "{}") == (second["id"].startswith("call_"), second["function"]["arguments"])


def test_b33_every_signature_is_kept(gemini):
    """On its call or its thought, so that the next turn can send all of them back."""
    signed = {"text": "Hm.", "thought": True, "thoughtSignature": SIGNATURE}
    got = message(gemini, signed, google_call(thoughtSignature=SIGNATURE), google_call("g"))
    held = [c.get("extra_content") for c in got["tool_calls"]]
    assert [{"google": {"thought_signature": SIGNATURE}}, None] == held
    assert [("Hm.", SIGNATURE, "google-gemini-v1")] == [
        (d["text"], d["signature"], d["format"]) for d in got["reasoning_details"]
    ]
    assert "reasoning_details" not in message(gemini, {"text": "Hm.", "thought": True}, {"text": "a"})


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("STOP", "stop"), ("MAX_TOKENS", "length")]
    + [(r, "content_filter") for r in ("SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "RECITATION", "LANGUAGE")]
    + [(r, "content_filter") for r in ("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT")],
)
def test_b34_finish_reasons(gemini, reason, expected):
    """Each is the nearest of OpenAI's."""
    assert expected == gemini.answered(chunk({"text": "Hi"}, finish=reason))["choices"][0]["finish_reason"]


def test_b34_stop_with_calls(gemini):
    """Google has no reason of its own for calls."""
    assert "tool_calls" == gemini.answered(chunk(google_call(), finish="STOP"))["choices"][0]["finish_reason"]


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "NO_IMAGE", "OTHER", "NEW"])
def test_b35_failures_of_the_model(gemini, reason):
    """Behind text they are an end that clients know; with nothing said they are a failure, which may be tried again."""
    assert "stop" == gemini.answered(chunk({"text": "Hi"}, finish=reason))["choices"][0]["finish_reason"]
    assert isinstance(gemini.answered({"candidates": [{"finishReason": reason}]}), UpstreamFailed)


def test_b36_usage(gemini):
    """Thoughts are output, tokens of server-side tools are input, and the total is their sum."""
    counts = {"promptTokenCount": 1200, "cachedContentTokenCount": 1000, "toolUsePromptTokenCount": 12}
    counts |= {"candidatesTokenCount": 20, "thoughtsTokenCount": 30, "totalTokenCount": 1262}
    got = gemini.answered(chunk({"text": "Hi"}, finish="STOP", usageMetadata=counts))["usage"]
    assert (1212, 50, 1262) == (got["prompt_tokens"], got["completion_tokens"], got["total_tokens"])
    assert (1000, 30) == (
        got["prompt_tokens_details"]["cached_tokens"],
        got["completion_tokens_details"]["reasoning_tokens"],
    )


def test_b37_what_is_missing(gemini):
    """An answer without counts has none to show; one without candidates is a failure, never an empty success."""
    assert "usage" not in gemini.answered(chunk({"text": "Hi"}, finish="STOP"))
    assert isinstance(gemini.answered({"candidates": []}), UpstreamMalformed)


def test_b38_sources_are_annotations(gemini):
    """Grounding becomes citations with character offsets; the role is always there."""
    metadata = {
        "groundingChunks": [{"web": {"uri": "https://x.test", "title": "X"}}],
        "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 4}, "groundingChunkIndices": [0]}],
    }
    whole = chunk({"text": "Größe"}, finish="STOP")
    whole["candidates"][0] |= {"groundingMetadata": metadata, "safetyRatings": [{"category": "X"}]}
    got = gemini.answered(whole)["choices"][0]["message"]
    spans = [(a["url_citation"]["url"], a["url_citation"]["end_index"]) for a in got["annotations"]]
    assert ("assistant", [("https://x.test", 3)]) == (got["role"], spans)


SCORES = {
    "chosenCandidates": [{"token": "Hé", "logProbability": -0.1}, {"token": "!", "logProbability": -0.2}],
    "topCandidates": [{"candidates": [{"token": "Hi", "logProbability": -1.5}]}, None],
}


def test_b39_logprobs(gemini):
    """Each token with its own likeliest ones, which may be missing; in a stream beside its text."""
    candidate = {"content": {"parts": [{"text": "Hé!"}]}, "finishReason": "STOP", "logprobsResult": SCORES}
    top = [{"token": "Hi", "logprob": -1.5, "bytes": [72, 105]}]
    expected = [
        {"token": "Hé", "logprob": -0.1, "bytes": [72, 195, 169], "top_logprobs": top},
        {"token": "!", "logprob": -0.2, "bytes": [33], "top_logprobs": []},
    ]
    assert expected == gemini.answered({"candidates": [candidate]})["choices"][0]["logprobs"]["content"]
    choices = [c["choices"][0] for c in gemini.streamed({"candidates": [candidate]})[:-2]]
    assert [expected] == [c["logprobs"]["content"] for c in choices if c.get("logprobs")]


# --- the stream -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
@pytest.mark.parametrize("prefix", [b"data: ", b"data:", b""])
def test_b41_frames(gemini, end, prefix):
    """Any line end and spacing; JSON without `data:` counts too, as Google tells errors that way."""
    stream = b"".join(
        prefix + msgspec.json.encode(c) + end for c in (chunk({"text": "a"}), chunk({"text": "b"}, finish="STOP"))
    )
    assert "ab" == said(gemini.streamed(stream), "content")


def test_b42_a_chunk_cut_anywhere(gemini):
    """It waits for its rest; comments between chunks are passed over."""
    whole = b"data: " + msgspec.json.encode(chunk({"text": "Grüße"}, finish="STOP")) + b"\n\n"
    for at in range(len(whole)):
        assert "Grüße" == said(gemini.streamed(whole[:at], whole[at:]), "content")
    assert "Grüße" == said(gemini.streamed(b": waiting\n\n", whole), "content")


def test_b43_a_candidate_without_content(gemini):
    """A limit that was reached before any text is an end with its reason."""
    chunks = gemini.streamed({"candidates": [{"finishReason": "MAX_TOKENS"}]})
    assert (["length"], "") == (finish(chunks), said(chunks, "content"))


def test_b44_calls_are_counted_over_chunks(gemini):
    """Parallel calls in chunks of their own are 0, 1, 2."""
    chunks = gemini.streamed(*(chunk(google_call(n)) for n in "fgh"), chunk(finish="STOP"))
    assert [0, 1, 2] == [c["index"] for c in calls(chunks) if "id" in c]


def test_b45_a_call_arrives_whole(gemini):
    """Id and name, then all of its arguments."""
    first, second = calls(gemini.streamed(chunk(google_call(args={"a": 1}), finish="STOP")))
    assert ("f", '{"a":1}') == (first["function"]["name"], second["function"]["arguments"])


def test_b46_calls_decide_the_finish(gemini):
    """Whether the reason comes with the call, after it, or before it."""
    for events in (
        [chunk(google_call(), finish="STOP")],
        [chunk(google_call()), chunk(finish="STOP")],
        [chunk({"text": "a"}, finish="STOP"), chunk(google_call())],
    ):
        assert ["tool_calls"] == finish(gemini.streamed(*events))


def test_b47_signatures_in_a_stream(gemini):
    """Each goes with what it signs."""
    signed = {"text": "Hm.", "thought": True, "thoughtSignature": SIGNATURE}
    chunks = gemini.streamed(chunk(signed), chunk(google_call(thoughtSignature=SIGNATURE), finish="STOP"))
    details = [d for piece in deltas(chunks) for d in piece.get("reasoning_details", [])]
    assert [("Hm.", SIGNATURE)] == [(d["text"], d["signature"]) for d in details]
    assert SIGNATURE == calls(chunks)[0]["extra_content"]["google"]["thought_signature"]


def test_b48_usage_is_said_once(gemini):
    """Google repeats running totals in every chunk; the last one counts."""
    counts = [{"promptTokenCount": 5, "candidatesTokenCount": n} for n in (1, 2, 3)]
    events = [chunk({"text": "a"}, usageMetadata=c) for c in counts]
    chunks = gemini.streamed(*events, chunk(finish="STOP"))
    assert [(5, 3)] == [(u["prompt_tokens"], u["completion_tokens"]) for u in usage(chunks)]


def test_b49_the_end_mark_is_ours(gemini):
    """Google sends none, and OpenAI's clients wait for it."""
    assert "[DONE]" == gemini.streamed(chunk({"text": "a"}, finish="STOP"))[-1]


# --- errors -----------------------------------------------------------------------------------------------------------


def test_b50_google_s_errors(gemini):
    """The message goes on where it is about the request; bodies of any kind are borne."""
    inner = {"code": 400, "message": "Invalid value", "status": "INVALID_ARGUMENT", "details": [{"@type": "x"}]}
    status, got = gemini.faulted(400, msgspec.json.encode({"error": inner}))
    expected = (400, "Invalid value", "invalid_request_error")
    assert expected == (status, got["error"]["message"], got["error"]["type"])
    assert "too odd" == gemini.faulted(400, b"too odd")[1]["error"]["message"]
    for body in (b"", b"{", b"[]", b"null", b'{"error":7}'):
        assert 502 == gemini.faulted(502, body)[0]
