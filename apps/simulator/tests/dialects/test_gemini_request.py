import pytest

from llmgw_simulator.ask import Choice, Media, ToolResult, Turn
from llmgw_simulator.dialects.gemini_request import invalid, must_sign, parse_gemini
from llmgw_simulator.opaque import sign
from llmgw_simulator.wire import Refusal

SCHEMA = {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}
TOOLS = [{"functionDeclarations": [{"name": "f", "parameters": SCHEMA}]}]
USER = {"role": "user", "parts": [{"text": "Hi"}]}
CALL = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}


def answer(name="f", **more):
    return {"role": "user", "parts": [{"functionResponse": {"name": name, "response": {"output": "1"}, **more}}]}


def parsed(body=None, model="m", **more):
    return parse_gemini({"contents": [USER]} | (body or {}) | more, model, stream=True, array=False)


def test_settings_are_read_in_both_spellings():
    """camelCase and snake_case, at every level."""
    for config in (
        {"maxOutputTokens": 5, "stopSequences": ["x"], "candidateCount": 2, "thinkingConfig": {"thinkingBudget": 9}},
        {
            "max_output_tokens": 5,
            "stop_sequences": ["x"],
            "candidate_count": 2,
            "thinking_config": {"thinking_budget": 9},
        },
    ):
        found = parsed(generation_config=config).ask
        assert (5, ("x",), 2, True) == (found.limit, found.stop, found.n, found.thinking)
    assert not parsed(generationConfig={"thinkingConfig": {"thinkingBudget": 0}}).ask.thinking
    assert Turn("system", "rule") == parsed(system_instruction={"parts": [{"text": "rule"}]}).ask.turns[0]


def test_formats_are_read():
    """OpenAPI schema, JSON schema, JSON mode."""
    json = {"responseMimeType": "application/json"}
    assert SCHEMA == parsed(generationConfig=json | {"responseSchema": SCHEMA}).ask.schema
    assert {"$ref": "#"} == parsed(generationConfig=json | {"responseJsonSchema": {"$ref": "#"}}).ask.schema
    assert parsed(generationConfig=json).ask.json_mode


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"mode": "AUTO"}, Choice()),
        ({"mode": "NONE"}, Choice("none")),
        ({"mode": "ANY", "allowedFunctionNames": ["f"]}, Choice("any", ("f",))),
        ({"mode": "VALIDATED"}, Choice()),
    ],
)
def test_the_choice_of_tools_is_read(config, expected):
    """In all its modes."""
    assert expected == parsed(tools=TOOLS, toolConfig={"functionCallingConfig": config}).ask.choice


def test_parts_become_texts_attachments_and_results():
    """Thoughts are not the text, and what a tool said is told as text."""
    user = {
        "parts": [
            {"text": "see"},
            {"inlineData": {"mimeType": "image/png", "data": "-_8"}},
            {"file_data": {"file_uri": "gs://a", "mime_type": "application/pdf"}},
        ]
    }
    media = (Media("image", "image/png", 2), Media("document", uri="gs://a"))
    assert (Turn("user", "see", media),) == parsed(contents=[user]).ask.turns
    model = {"role": "model", "parts": [{"text": "hm", "thought": True}, *CALL["parts"]]}
    turns = parsed(contents=[USER, model, answer(id="1")]).ask.turns
    assert (Turn("assistant"), Turn("user", results=(ToolResult("1", "1", "f"),))) == turns[1:]
    told = parsed(contents=[USER, CALL, answer(response={"error": "no", "code": 3})]).ask.turns[-1].results
    assert (ToolResult("", '{"error":"no","code":3}', "f", True),) == told


def test_results_may_come_in_contents_of_their_own():
    """As long as all calls are answered before the next answer of the model."""
    both = {"role": "model", "parts": [{"functionCall": {"name": n}} for n in "fg"]}
    assert 4 == len(parsed(contents=[USER, both, answer("g"), answer("f")]).ask.turns)


def test_calls_may_be_in_several_contents():
    """And be answered together."""
    assert 4 == len(parsed(contents=[USER, CALL, CALL, {"role": "user", "parts": answer()["parts"] * 2}]).ask.turns)


def test_newer_models_want_their_signatures_back():
    """On the first call of each step since the last prompt: their own, or the documented dummy."""
    assert [False, True, True] == [must_sign(m) for m in ("gemini-2.5-pro", "gemini-3-pro", "google/gemini-4")]
    dummy = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
    for signature in (sign("call f", "n", "gemini"), dummy, "skip_thought_signature_validator"):
        signed = {"role": "model", "parts": [CALL["parts"][0] | {"thoughtSignature": signature}, CALL["parts"][0]]}
        contents = [USER, CALL, answer(), USER, signed, answer(), answer()]
        assert parsed(contents=contents, model="gemini-3-pro")
    with pytest.raises(Refusal, match="missing a thought_signature"):
        parsed(contents=[USER, CALL, answer()], model="gemini-3-pro")
    wrong = {"role": "model", "parts": [CALL["parts"][0] | {"thoughtSignature": "AAAA"}]}
    with pytest.raises(Refusal, match="Corrupted thought signature"):
        parsed(contents=[USER, wrong, answer()], model="gemini-3-pro")


def declared(**declaration):
    return {"tools": [{"functionDeclarations": [declaration]}]}


def config(**fields):
    return {"generationConfig": fields}


def part(**fields):
    return {"contents": [{"role": "user", "parts": [fields]}]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"contents": None}, "contents is not specified"),
        ({"contents": []}, "contents is not specified"),
        ({"contents": [3]}, "Invalid value at 'contents[0]'"),
        ({"xyz": 1}, 'Unknown name "xyz": Cannot find field.'),
        ({"generationConfig": 3}, "Invalid value at 'generationConfig'"),
        (config(xyz=1), "Unknown name \"xyz\" at 'generation_config': Cannot find field."),
        (config(maxOutputTokens="9"), "generation_config.maxOutputTokens"),
        (config(maxOutputTokens=0), "must be at least 1"),
        (config(stopSequences=["a"] * 6), "at most 5"),
        (config(stopSequences="a"), "TYPE_STRING"),
        (config(responseSchema=SCHEMA), "response_mime_type is not application/json"),
        (config(responseSchema=SCHEMA, responseJsonSchema={}), "Only one of response_schema"),
        (config(responseMimeType="application/json", responseSchema={"$ref": "#"}), 'Unknown name "$ref"'),
        (config(thinkingConfig={"thinkingBudget": 1, "thinkingLevel": "LOW"}), "only set only one"),
        ({"tools": [{"function": {}}]}, "Unknown name \"function\" at 'tools[0]'"),
        ({"tools": {}}, "Invalid value at 'tools'"),
        (declared(name="1a"), "Invalid function name"),
        (declared(name="a", strict=True), "Unknown name \"strict\" at 'tools[0].function_declarations[0]'"),
        (declared(name="a", parameters={"properties": {"b": {"oneOf": []}}}), 'Unknown name "oneOf"'),
        (declared(name="a", parameters={}, parametersJsonSchema={}), "only one of parameters"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "SOME"}}}, "function_calling_config.mode"),
        (
            {"toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["f"]}}},
            "ANY or VALIDATED",
        ),
        (
            {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}},
            "not in function_decl",
        ),
        ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "Please use a valid role: user, model."),
        ({"contents": [{"role": "user", "parts": []}]}, "parts must not be empty"),
        (part(text="x", inlineData={}), "oneof field 'data' is already set"),
        (part(thought=True), "required oneof field 'data'"),
        (part(type="text", text="x"), "Unknown name \"type\" at 'contents[0].parts[0]'"),
        (part(text=3), "TYPE_STRING"),
        (part(inlineData={"data": "AAAA"}), "Unable to process input image"),
        (part(inlineData={"mimeType": "image/png", "data": "?"}), "Base64 decoding failed"),
        (part(functionResponse={"response": {}}), "function_response.name: Name cannot be empty"),
        (part(functionResponse={"name": "f", "response": "x"}), "function_response.response"),
        (part(functionCall={"args": {}}), "function_call.name: Name cannot be empty"),
        (part(functionCall={"name": "f", "args": "{}"}), "function_call.args"),
        ({"contents": [USER, CALL, USER]}, "number of function response parts"),
        ({"contents": [USER, CALL]}, "number of function response parts"),
        ({"contents": [USER, CALL, answer("g")]}, "number of function response parts"),
        ({"contents": [answer()]}, "number of function response parts"),
    ],
)
def test_a_wrong_request_is_refused(body, message):
    """With 400 and the provider's words."""
    with pytest.raises(Refusal) as caught:
        parsed(body)
    assert 400 == caught.value.status
    assert message in caught.value.message


def test_a_missing_model_is_not_found():
    """With 404."""
    with pytest.raises(Refusal) as caught:
        parsed(model="missing-model")
    assert 404 == caught.value.status


def test_details_go_with_the_refusal():
    """For the error's list of them."""
    with pytest.raises(Refusal) as caught:
        invalid("x", [{"a": 1}])
    assert [{"a": 1}] == caught.value.details
