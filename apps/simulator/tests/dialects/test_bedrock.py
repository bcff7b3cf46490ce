import asyncio
from contextlib import ExitStack, closing

import msgspec
import pytest
from botocore.config import Config
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError, EventStreamError
from botocore.session import Session

from llmgw_simulator import Simulator, SimulatorConfig
from llmgw_simulator.dialects.bedrock import Bedrock
from llmgw_simulator.dialects.converse_request import parse_converse
from llmgw_simulator.dialects.messages_thinking import MAGIC
from llmgw_simulator.engine import decide
from llmgw_simulator.keyring import Keyring
from llmgw_simulator.testing import KEYS, incoming_of, post, request_of
from llmgw_simulator.wire import Refusal

CLAUDE = "eu.anthropic.claude-sonnet-4-5-v1:0"
NOVA = "amazon.nova-2-lite-v1:0"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = {"tools": [{"toolSpec": {"name": n, "inputSchema": {"json": SCHEMA}}} for n in ("weather", "news")]}
THINK = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
BEDROCK = Bedrock()


def user(text):
    return {"role": "user", "content": [{"text": text}]}


def both(text="Hello", model=CLAUDE, **more):
    """The whole answer, and the events of the stream."""
    parsed = parse_converse({"messages": [user(text)], **more}, model, stream=True)
    answers = decide(parsed.ask, 0)
    buffer = EventStreamBuffer()
    for frame in BEDROCK.frames(parsed, answers):
        buffer.add_data(frame.data)
    events = [(m.headers[":event-type"], msgspec.json.decode(m.payload)) for m in buffer]
    return msgspec.json.decode(BEDROCK.whole(parsed, answers)), events


def folded(events):
    """The content that the deltas of a stream add up to."""
    content: dict[int, dict] = {}
    for kind, event in events:
        block = content.setdefault(event.get("contentBlockIndex", -1), {})
        if kind == "contentBlockStart":
            block["toolUse"] = {**event["start"]["toolUse"], "input": ""}
        elif kind == "contentBlockDelta":
            merge(block, event["delta"])
    content.pop(-1)
    for block in content.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = msgspec.json.decode(block["toolUse"]["input"])
    return [content[index] for index in sorted(content)]


def merge(block, delta):
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    elif "redactedContent" in delta["reasoningContent"]:
        block["reasoningContent"] = delta["reasoningContent"]
    else:
        told = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
        told["text"] += delta["reasoningContent"].get("text", "")
        told |= {name: value for name, value in delta["reasoningContent"].items() if name == "signature"}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"toolConfig": TOOLS, "text": "parallel"},
        {"additionalModelRequestFields": THINK},
        {"additionalModelRequestFields": {"thinking": {**THINK["thinking"], "display": "omitted"}}},
        {"additionalModelRequestFields": THINK, "text": MAGIC},
        {"additionalModelRequestFields": {"reasoningConfig": {"type": "enabled"}}, "model": NOVA},
        {"inferenceConfig": {"maxTokens": 3}},
        {"inferenceConfig": {"stopSequences": ["said"]}},
    ],
)
def test_whole_and_streamed_answers_agree(more):
    """In content, stop reason and usage; the events come in Bedrock's order."""
    whole, events = both(**more)
    kinds = [kind for kind, _ in events]
    assert ("messageStart", "messageStop", "metadata") == (kinds[0], *kinds[-2:])
    assert whole["output"]["message"]["content"] == folded(events)
    assert (whole["stopReason"], whole["usage"]) == (events[-2][1]["stopReason"], events[-1][1]["usage"])
    usage = whole["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]


def test_only_calls_have_a_start():
    """Texts and reasoning begin with their first delta."""
    _, events = both("weather", toolConfig=TOOLS, additionalModelRequestFields=THINK)
    started = [event["contentBlockIndex"] for kind, event in events if kind == "contentBlockStart"]
    stopped = [event["contentBlockIndex"] for kind, event in events if kind == "contentBlockStop"]
    assert ([1], [0, 1]) == (started, stopped)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "end_turn"),
        ({"toolConfig": TOOLS}, "tool_use"),
        ({"inferenceConfig": {"maxTokens": 3}}, "max_tokens"),
        ({"inferenceConfig": {"stopSequences": ["said"]}}, "stop_sequence"),
    ],
)
def test_stop_reasons(more, expected):
    """For each way to end."""
    assert expected == both(**more)[0]["stopReason"]


def test_the_stop_sequence_is_told_on_request():
    """Among the fields that Converse does not know."""
    more = {"inferenceConfig": {"stopSequences": ["said"]}, "additionalModelResponseFieldPaths": ["/stop_sequence"]}
    assert {"stop_sequence": "said"} == both(**more)[0]["additionalModelResponseFields"]


def test_payloads_are_padded():
    """By different lengths, under a name that parsers ignore."""
    lengths = {len(event["p"]) for _, event in both()[1]}
    assert len(lengths) > 5


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({}, 403, "MissingAuthenticationTokenException"),
        ({"authorization": "Bearer bad"}, 403, None),
        ({"authorization": "Basic x"}, 403, "IncompleteSignatureException"),
    ],
)
def test_credentials_are_wanted(headers, status, kind):
    """And told apart by the exception."""
    incoming = incoming_of("/model/x/converse", {}, headers)
    with pytest.raises(Refusal) as caught:
        BEDROCK.authenticate(incoming)
    assert (status, kind) == (caught.value.status, caught.value.kind)
    reply = BEDROCK.refuse(caught.value, incoming)
    name = "Message" if kind is None else "message"
    assert [name] == list(msgspec.json.decode(reply.body))
    assert reply.headers["x-amzn-errortype"].startswith(
        f"{kind or 'AccessDeniedException'}:http://internal.amazon.com/"
    )


@pytest.fixture
def client():
    """Makes AWS's own clients, without their retries, and closes them."""
    with ExitStack() as made:

        def make(running, key="AKID1", secret=None, token=None):
            found = Session().create_client(
                "bedrock-runtime",
                region_name="eu-west-1",
                endpoint_url=running.base_url,
                aws_access_key_id=key,
                aws_secret_access_key=secret or f"secret-of-{key}",
                aws_session_token=token,
                config=Config(retries={"total_max_attempts": 1}),
            )
            made.callback(found.close)
            return found

        yield make


@pytest.fixture
async def running():
    async with Simulator().serve() as found:
        yield found


async def test_the_official_sdk_completes_a_tool_loop(running, client):
    """With thinking, signatures and results, signed; the access key is the credential."""
    bedrock = client(running, "ASIA1", token="session")
    request = {"modelId": CLAUDE, "toolConfig": TOOLS, "additionalModelRequestFields": THINK}
    messages = [user("weather please")]
    first = await asyncio.to_thread(lambda: bedrock.converse(messages=messages, **request))
    assert "tool_use" == first["stopReason"]
    answer = first["output"]["message"]
    results = [
        {"toolResult": {"toolUseId": block["toolUse"]["toolUseId"], "content": [{"text": "12 degrees"}]}}
        for block in answer["content"]
        if "toolUse" in block
    ]
    messages += [answer, {"role": "user", "content": results}]
    second = await asyncio.to_thread(lambda: bedrock.converse(messages=messages, **request))
    assert "12 degrees" in second["output"]["message"]["content"][-1]["text"]
    assert {"ASIA1"} == set(running.log.credentials)
    assert [CLAUDE, CLAUDE] == [entry.model for entry in running.log.entries]


async def test_the_official_sdk_reads_streams(running, client):
    """Every event, to the metadata after the stop."""
    request = {"modelId": CLAUDE, "messages": [user("Hello")]}

    def events():
        with closing(client(running).converse_stream(**request)["stream"]) as stream:
            return [next(iter(event)) for event in stream]

    kinds = await asyncio.to_thread(events)
    assert ("messageStart", "metadata") == (kinds[0], kinds[-1])
    assert True is running.log.entries[0].stream


async def test_the_official_sdk_gets_the_exceptions(running, client):
    """Of a wrong secret, and of an error in the stream."""
    request = {"modelId": CLAUDE, "messages": [user("Hello")]}
    with pytest.raises(ClientError, match="InvalidSignatureException"):
        await asyncio.to_thread(lambda: client(running, secret="wrong").converse(**request))
    aws = client(running)
    aws.meta.events.register(
        "before-sign.*.*", lambda request, **_: request.headers.add_header("x-sim-fault", "error-events=2")
    )

    def events():
        with closing(aws.converse_stream(**request)["stream"]) as stream:
            return list(stream)

    with pytest.raises(EventStreamError, match="serviceUnavailableException"):
        await asyncio.to_thread(events)


@pytest.mark.parametrize("events", [0, 2])
async def test_streams_are_cut_between_frames(running, events):
    """After so many whole frames."""
    path, body = request_of("bedrock", "Hello", stream=True)
    answer = await post(running.port, path, body, KEYS["bedrock"] | {"x-sim-fault": f"eof-events={events}"})
    buffer = EventStreamBuffer()
    buffer.add_data(answer.body)
    assert events == len(list(buffer))
    assert "complete" == answer.ending


async def test_a_malformed_frame_is_sound_but_for_its_json(running):
    """So that only its content can show it."""
    path, body = request_of("bedrock", "Hello", stream=True)
    answer = await post(running.port, path, body, KEYS["bedrock"] | {"x-sim-fault": "malformed-events=1"})
    buffer = EventStreamBuffer()
    buffer.add_data(answer.body)
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(list(buffer)[1].payload)


async def test_the_official_sdk_counts_and_embeds(running, client):
    """Tokens like those of the answer's usage, and vectors with their count in a header."""
    aws = client(running)
    model = CLAUDE.removeprefix("eu.")

    def ask():
        counted = aws.count_tokens(modelId=model, input={"converse": {"messages": [user("Hello")]}})
        used = aws.converse(modelId=model, messages=[user("Hello")])["usage"]
        invoked = aws.invoke_model(
            modelId="amazon.titan-embed-text-v2:0", body=b'{"inputText": "Hello", "dimensions": 256}'
        )
        return counted["inputTokens"], used["inputTokens"], invoked, msgspec.json.decode(invoked["body"].read())

    counted, used, invoked, embedded = await asyncio.to_thread(ask)
    assert counted == used
    assert (256, 2) == (len(embedded["embedding"]), embedded["inputTextTokenCount"])
    assert "2" == invoked["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-input-token-count"]


async def test_a_rate_limit_is_a_throttling_exception(running):
    """Without a time, since Bedrock tells none."""
    path, body = request_of("bedrock", "x")
    answer = await post(running.port, path, body, KEYS["bedrock"] | {"x-sim-fault": "status=429"})
    assert 429 == answer.status
    assert answer.headers["x-amzn-errortype"].startswith("ThrottlingException:")
    assert "retry-after" not in answer.headers


async def test_configured_secrets_are_used(client):
    """Instead of the rule."""
    async with Simulator(SimulatorConfig(keyring=Keyring(aws={"AKID9": "chosen"}))).serve() as running:
        aws = client(running, "AKID9", "chosen")
        answer = await asyncio.to_thread(lambda: aws.converse(modelId=CLAUDE, messages=[user("Hello")]))
        assert "end_turn" == answer["stopReason"]
