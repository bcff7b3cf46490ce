import msgspec
import pytest

from llmgw_domain.errors import UpstreamTruncated
from llmgw_protocols import EncodeContext, Rendered, dialect_named
from llmgw_relay.goes import Goes
from llmgw_relay.meter import Meter
from llmgw_relay.transform import Passthrough, Translation

CONTEXT = EncodeContext(model="gpt", request_id="r", created=1)


def chunk(**choice) -> bytes:
    body = {
        "id": "x",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {}, "finish_reason": None, **choice}],
    }
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


HELLO, STOP, DONE = chunk(delta={"content": "Hello"}), chunk(finish_reason="stop"), b"data: [DONE]\n\n"
WHOLE = msgspec.json.encode(
    {"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
)


def passthrough() -> Passthrough:
    chat = dialect_named("chat")
    return Passthrough(chat.decoder(), chat.encoder(CONTEXT), Meter())


def translation() -> Translation:
    return Translation(goes(), dialect_named("messages").encoder(CONTEXT), Meter())


def goes() -> Goes:
    return Goes(None, dialect_named("chat").decoder, Rendered(path="/", body=b"{}"))


def whole(transform, body: bytes):
    assert transform.further(body) is None
    return transform.whole([body])


def test_a_pass_through_forwards_whole_frames_only():
    """Half a frame is held back, so that an ending of ours can never land inside it."""
    transform = passthrough()
    assert transform.feed(HELLO + STOP[:10]).out == HELLO
    assert transform.feed(STOP[10:]).out == STOP
    step = transform.feed(DONE)
    assert (step.out, step.over) == (DONE, True)


def test_a_pass_through_without_its_end_mark_gets_it():
    """A complete stream that lacks its last frame is given one."""
    transform = passthrough()
    transform.feed(HELLO + STOP)
    step = transform.eof()
    assert (step.out, step.error) == (DONE, None)


@pytest.mark.parametrize("make", [passthrough, translation])
def test_an_end_without_terminal_evidence_is_an_error(make):
    """A stream that ends before its finish reason is truncated, whatever becomes of its bytes."""
    transform = make()
    transform.feed(HELLO)
    assert isinstance(transform.eof().error, UpstreamTruncated)


def test_comments_are_not_forwarded():
    """A provider's comment frames stay behind: some clients choke on them."""
    assert passthrough().feed(b": PROCESSING\n\n" + HELLO).out == HELLO


def test_a_translation_ends_once():
    """The client's own ending comes with the provider's last frame, and only once."""
    transform = translation()
    out = transform.feed(HELLO + STOP + DONE)
    assert out.over
    assert out.out.count(b"event: message_stop") == 1


def test_what_came_before_a_failure_is_sent():
    """Text in the same read as a broken frame reaches the client before the error is told."""
    step = translation().feed(HELLO + b"data: {broken\n\n")
    assert b"Hello" in step.out
    assert step.error is not None


@pytest.mark.parametrize("make", [passthrough, translation])
def test_a_body_that_is_no_answer_is_an_error(make):
    """A whole body is passed on or translated if it is an answer, else it is an error."""
    assert whole(make(), WHOLE).error is None
    assert whole(make(), b"<html>").error is not None


def gemini() -> Passthrough:
    dialect = dialect_named("gemini")
    return Passthrough(dialect.decoder(), dialect.encoder(CONTEXT), Meter())


def error_frame(**error) -> bytes:
    return b"data: " + msgspec.json.encode({"error": {"message": "m"} | error}) + b"\n\n"


@pytest.mark.parametrize("before", [b"", HELLO])
def test_an_error_about_the_request_is_forwarded(before):
    """A provider's error frame goes to the client as it came, and so does what the provider sends behind it."""
    data = before + error_frame(type="invalid_request_error") + DONE
    step = passthrough().feed(data)
    assert (data, None, True) == (step.out, step.error, step.over)


def test_a_forwarded_error_gets_the_streams_end_mark():
    """A client that waits for the last frame is not left waiting behind an error."""
    transform = passthrough()
    transform.feed(error_frame(type="invalid_request_error"))
    step = transform.eof()
    assert (DONE, None) == (step.out, step.error)


@pytest.mark.parametrize(
    ("before", "error"),
    [
        (b"", {"code": "429"}),
        (b"", {"code": 400, "message": "not for sk-abcdefghijkl"}),
        (HELLO, {"type": "server_error"}),
        (HELLO, {"code": "invalid_api_key"}),
    ],
)
def test_an_error_that_is_not_for_the_client_is_ours(before, error):
    """What may be tried elsewhere, or is the account's affair, does not reach the client in the provider's words."""
    step = passthrough().feed(before + error_frame(**error))
    assert before == step.out
    assert step.error is not None


@pytest.mark.parametrize(
    "body",
    [
        {"promptFeedback": {"blockReason": "SAFETY"}},
        {"candidates": [{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL"}]},
    ],
)
def test_an_answer_that_failed_is_still_an_answer(body):
    """What the model or its filter gave in place of an answer is passed on with the provider's status."""
    data = msgspec.json.encode(body)
    step = whole(gemini(), data)
    assert (data, None) == (step.out, step.error)


def test_an_error_in_a_body_is_not_an_answer():
    """A body that came with a good status but holds an error is no success for a client that looks at the status."""
    assert whole(gemini(), b'{"error":{"code":400,"message":"m"}}').error is not None
    assert whole(passthrough(), b'{"error":{"code":400,"message":"m"}}').error is not None


def test_a_tool_comes_back_under_the_name_that_the_client_gave_it():
    """A name that the provider could not take was replaced on the way up, and is put back on the way down."""
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "a_b_1f", "arguments": "{}"}}
    transform = Translation(goes(), dialect_named("messages").encoder(CONTEXT), Meter(), {"a_b_1f": "a.b"})
    out = transform.feed(chunk(delta={"tool_calls": [call]})).out
    assert (b'"a.b"' in out, b"a_b_1f" in out) == (True, False)


ODD = {"index": 0, "id": "c1", "function": {"name": "a_b_1", "arguments": '{"inp'}}
PATCH = [ODD, *({"index": 0, "function": {"arguments": piece}} for piece in ('ut":"x\\', 'n\\ud83d\\ude00"}'))]


@pytest.mark.parametrize("client", ["messages", "responses"])
@pytest.mark.parametrize("streamed", [True, False])
def test_tools_go_by_the_clients_names_and_kinds(client, streamed):
    """An alias and an emulated custom tool are the provider's alone; the client sees what it offered."""
    encoder = dialect_named(client).encoder(CONTEXT)
    transform = Translation(goes(), encoder, Meter(), {"a_b_1": "a.b"}, frozenset(["a.b"]))
    if not streamed:
        call = {"id": "c1", "function": {"name": "a_b_1", "arguments": '{"input":"x\\n\\ud83d\\ude00"}'}}
        choice = {"message": {"role": "assistant", "tool_calls": [call]}, "finish_reason": "tool_calls"}
        out = whole(transform, msgspec.json.encode({"id": "x", "choices": [choice]})).out
    else:
        stream = b"".join(chunk(delta={"tool_calls": [piece]}) for piece in PATCH) + chunk(finish_reason="tool_calls")
        steps = [transform.feed(bytes([byte])) for byte in stream + DONE]
        out = b"".join(step.out for step in steps)
    assert b"a_b_1" not in out
    assert b'"name":"a.b"' in out
    if client == "responses":
        assert b'"type":"custom_tool_call"' in out
        assert '"input":"x\\n😀"'.encode() in out
