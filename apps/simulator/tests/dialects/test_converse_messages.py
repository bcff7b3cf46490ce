import base64

import pytest

from llmgw_simulator.ask import Media, ToolResult
from llmgw_simulator.dialects.converse_request import parse_converse
from llmgw_simulator.wire import Refusal

CLAUDE, NOVA, MISTRAL = "anthropic.claude-sonnet-4-5-v1:0", "amazon.nova-lite-v1:0", "mistral.mistral-large-2402-v1:0"
DATA = base64.b64encode(b"%PDF-1").decode()
IMAGE = {"image": {"format": "png", "source": {"bytes": DATA}}}
S3 = {"s3Location": {"uri": "s3://some-bucket/file"}}
TOOLS = {"toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]}}
TEXT = {"text": "Hello"}


def user(*content):
    return {"role": "user", "content": list(content)}


def model(*content):
    return {"role": "assistant", "content": list(content)}


def call(key="a"):
    return {"toolUse": {"toolUseId": key, "name": "f", "input": {}}}


def result(key="a", *content, **more):
    return {"toolResult": {"toolUseId": key, "content": list(content) or [TEXT], **more}}


def document(name="Report 1", **source):
    return {"document": {"format": "pdf", "name": name, "source": source or {"bytes": DATA}}}


def turns(*messages, name=CLAUDE, **more):
    return parse_converse({"messages": list(messages), **more}, name, stream=False).ask.turns


def refused(*messages, **more):
    with pytest.raises(Refusal) as caught:
        turns(*messages, **more)
    return caught.value.message


def test_blocks_become_turns():
    """Texts, attachments and results, those inside of results too."""
    spoken = turns(
        user(TEXT, IMAGE, document()),
        model(TEXT, call("a"), call("b")),
        user(
            result("a", {"json": {"x": 1}}, IMAGE),
            result("b", TEXT, status="error"),
            {"cachePoint": {"type": "default"}},
        ),
        **TOOLS,
    )
    assert (Media("image", "image/png", 6), Media("document", "application/pdf", 6)) == spoken[0].media
    assert (ToolResult("a", '{"x":1}'), ToolResult("b", "Hello", error=True)) == spoken[2].results
    assert 1 == len(spoken[2].media)


def test_cited_and_guarded_texts_count():
    """They are said, after all."""
    cited = {"citationsContent": {"content": [{"text": "cited"}], "citations": []}}
    guarded = {"guardContent": {"text": {"text": "guarded"}}}
    assert ["guarded", "cited", "x"] == [turn.text for turn in turns(user(guarded), model(cited), user({"text": "x"}))]


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([user()], "The content field in the Message object at messages.0 is empty."),
        ([user({"text": " "})], "The text field in the ContentBlock object at messages.0.content.0 is blank."),
        ([user(IMAGE, {"text": ""})], "object at messages.0.content.1 is blank"),
        ([user({})], "ContentBlock object at messages.0.content.0 must set one of the following keys: text, image,"),
        ([model(TEXT)], "A conversation must start with a user message."),
        ([user(TEXT), user(TEXT)], "A conversation must alternate between user and assistant roles."),
        ([user(call())], "The toolUse content block at messages.0.content.0 is not allowed in user messages."),
        ([user(TEXT), model(document())], "document content block at messages.1.content.0 is not allowed"),
        ([user(TEXT), model(call())], "The toolConfig field must be defined when using toolUse and toolResult"),
        ([user(TEXT, {"video": {"format": "mp4", "source": S3}})], "doesn't support the video content block"),
        ([user({"image": {"format": "png", "source": S3}})], "This model doesn't support the s3Uri field."),
        ([user({"image": {"format": "bmp", "source": {"bytes": DATA}}})], "[gif, jpeg, png, webp]"),
        ([user(document())], "A text block must be included when using documents."),
        ([user(TEXT, document("a.pdf"))], "The document file name can only contain alphanumeric characters"),
        ([user(TEXT, document("a  b"))], "more than one consecutive whitespace character"),
        ([user(TEXT, document(), document())], "Messages can't contain duplicate document names."),
        ([user(TEXT, *[document(f"d{i}") for i in range(6)])], "You can't include more than 5 documents in a request."),
        ([user(TEXT, document(text="x"))], "must set one of the following keys: bytes, s3Location."),
        ([user(TEXT), {"role": "system", "content": [TEXT]}], "This model doesn't support the system role"),
    ],
)
def test_what_may_not_stand_where(messages, message):
    """In Bedrock's words."""
    assert message in refused(*messages)


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        (
            [user(TEXT), model(call()), user(TEXT)],
            "Expected toolResult blocks at messages.2.content for the following Ids: a",
        ),
        ([user(TEXT), model(call()), user(result("b"))], "for the following Ids: a"),
        ([user(TEXT), model(call())], "Expected toolResult blocks at messages.2.content"),
        (
            [user(TEXT, result())],
            "toolResult blocks at messages.0.content exceeds the number of toolUse blocks of previous",
        ),
        ([user(TEXT), model(call()), user(result("a", {"json": [1]}))], "Provide a json object for the field"),
    ],
)
def test_calls_and_results_pair_up(messages, message):
    """In the very next message."""
    assert message in refused(*messages, **TOOLS)


def test_what_ran_on_bedrocks_side_needs_no_result_of_the_caller():
    """It has its own, in the same message."""
    ran = [{"toolUse": {"toolUseId": "s", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}}, TEXT]
    assert 3 == len(turns(user(TEXT), model(*ran), user(TEXT), name=NOVA, **TOOLS))


def test_families_differ():
    """Nova sees videos and S3, Mistral takes results alone, DeepSeek wants no reasoning back."""
    assert turns(user(TEXT, {"video": {"format": "mp4", "source": S3}}), name=NOVA)[0].media[0].uri
    mixed = [user(TEXT), model(call()), user(result(), TEXT)]
    assert "cannot be provided in the same turn" in refused(*mixed, name=MISTRAL, **TOOLS)
    assert turns(*mixed, name=NOVA, **TOOLS)
    thought = model({"reasoningContent": {"reasoningText": {"text": "hm"}}}, TEXT)
    assert "reasoning content" in refused(user(TEXT), thought, user(TEXT), name="us.deepseek.r1-v1:0")
    assert turns(user(TEXT), thought, user(TEXT), name=NOVA)


def test_plain_documents_need_citations():
    """A text source is taken where it is to be cited."""
    block = document(text="Hello there")
    block["document"]["citations"] = {"enabled": True}
    assert 11 == turns(user(TEXT, block))[0].media[0].size


def test_a_newline_beside_a_document_passes():
    """As it was seen to."""
    assert turns(user(TEXT, document(), {"text": "\n"}))


def test_system_messages_in_between_are_for_the_newest_models():
    """They belong to neither side of the conversation."""
    inline = {"role": "system", "content": [TEXT]}
    roles = [turn.role for turn in turns(user(TEXT), inline, model(TEXT), user(TEXT), name="anthropic.claude-opus-4-8")]
    assert ["user", "system", "assistant", "user"] == roles
