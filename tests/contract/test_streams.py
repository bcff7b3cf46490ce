"""contract.md, "Streams". That no cut is shown as success, at any byte, is in `tests/faults`."""

from __future__ import annotations

import asyncio

import pytest

MODELS = ["sim/gpt", "sim/claude", "sim/gemini"]
FORMS = {"finish": (True, False), "raise": (True, True), "strict": (False, True)}
"""Whether the ending has the finish reason `error`, and the top-level `error` object."""

EVENTS = {"sim/gpt": 4, "sim/claude": 6, "sim/gemini": 3}
"""How many events of the provider's stream hold a piece of text and not the end."""

POLICY = """
policy = "p"
[[policies]]
id = "p"
stream_errors = "{form}"
"""


@pytest.fixture(params=["chat", "messages", "gemini"])
def dialect(request):
    return request.param


def form_of(answer) -> tuple[bool, bool]:
    chunks = [frame for frame in answer.frames if frame != "[DONE]"]
    finished = any(choice["finish_reason"] == "error" for chunk in chunks for choice in chunk.get("choices", []))
    return finished, any("error" in chunk for chunk in chunks)


async def test_the_default_ending_of_chat(call):
    """A chunk with the finish reason `error` that carries `gateway_error`, then [DONE]."""
    await call.fault(eof_events=4)
    answer = await call(stream=True)
    assert (answer.status, answer.frames[-1], form_of(answer)) == (200, "[DONE]", FORMS["finish"])
    last = answer.frames[-2]
    told = last["gateway_error"]
    assert sorted(told) == ["bytes_received", "code", "message", "type", "upstream_status"]
    assert (told["code"], told["bytes_received"] > 0) == ("upstream_truncated", True)


async def test_every_unfinished_choice_is_finished(call):
    """Of two choices the one that was complete keeps its finish reason, the one that was cut gets `error`."""
    await call.fault()
    whole = (await call(stream=True, n=2)).frames
    second = next(n for n, frame in enumerate(whole) if frame["choices"] and frame["choices"][0]["index"] == 1)
    await call.fault(eof_events=second + 3)
    frames = (await call(stream=True, n=2)).frames
    ends = [choice for frame in frames[:-1] for choice in frame["choices"] if choice.get("finish_reason")]
    assert [(c["index"], c["finish_reason"]) for c in ends] == [(0, "stop"), (1, "error")]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("form", FORMS)
async def test_the_header_chooses_the_form(call, form, model):
    """`x-gw-stream-errors`, whatever provider serves."""
    await call.fault(eof_events=4)
    answer = await call(stream=True, model=model, headers={"x-gw-stream-errors": form})
    assert (form_of(answer), answer.frames[-1]) == (FORMS[form], "[DONE]")


@pytest.mark.parametrize("form", FORMS)
async def test_the_configuration_and_the_policy_choose_the_form(open_stack, caller, form):
    """`server.stream_errors` and the key's policy; the header goes before both."""
    for options in ({"server": f'stream_errors = "{form}"'}, {"more": POLICY.format(form=form)}):
        async with open_stack(**options) as stack:
            call = caller(stack)
            await call.fault(eof_events=4)
            assert form_of(await call(stream=True)) == FORMS[form]
            other = "finish" if form != "finish" else "strict"
            answer = await call(stream=True, headers={"x-gw-stream-errors": other})
            assert form_of(answer) == FORMS[other]


async def test_the_policy_goes_before_the_configuration(open_stack, caller):
    """A key's policy is more particular than the server's default."""
    async with open_stack(server='stream_errors = "strict"', more=POLICY.format(form="raise")) as stack:
        call = caller(stack)
        await call.fault(eof_events=4)
        assert form_of(await call(stream=True)) == FORMS["raise"]


@pytest.mark.parametrize("model", MODELS)
async def test_messages_ends_with_an_error_event(call, model):
    """`event: error` with Anthropic's envelope, and no `message_stop`."""
    await call.fault(eof_events=4)
    answer = await call("messages", stream=True, model=model)
    last = answer.frames[-1]
    assert (last["type"], last["error"]["type"]) == ("error", "api_error")
    assert last["error"]["message"]
    assert b"event: error\n" in answer.raw
    assert "message_stop" not in [frame["type"] for frame in answer.frames]


@pytest.mark.parametrize("model", MODELS)
async def test_gemini_ends_with_an_error_chunk(call, model):
    """A chunk with `error {code, message, status}`."""
    await call.fault(eof_events=EVENTS[model], tps=400)
    answer = await call("gemini", stream=True, model=model)
    assert sorted(answer.frames[-1]["error"]) == ["code", "message", "status"]
    assert not any(c.get("finishReason") for f in answer.frames for c in f.get("candidates", []))


@pytest.mark.parametrize("model", MODELS)
async def test_a_geminis_array_that_breaks_is_still_an_array(call, model):
    """Without `alt=sse` the error is the array's last element."""
    await call.fault(eof_events=EVENTS[model], tps=400)
    answer = await call("gemini", path=f"/v1beta/models/{model}:streamGenerateContent")
    assert sorted(answer.json[-1]["error"]) == ["code", "message", "status"]


@pytest.mark.parametrize("model", MODELS)
async def test_a_usage_chunk_only_when_asked(call, model):
    """`stream_options.include_usage` brings one chunk without choices, last before [DONE]; otherwise there is none."""
    asked = (await call(stream=True, model=model, stream_options={"include_usage": True})).frames[:-1]
    assert [bool(chunk["choices"]) for chunk in asked] == [True] * (len(asked) - 1) + [False]
    usage = asked[-1]["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    for fields in ({}, {"stream_options": {"include_usage": False}}, {"stream_options": {}}):
        chunks = (await call(stream=True, model=model, **fields)).frames[:-1]
        assert all(chunk["choices"] and not chunk.get("usage") for chunk in chunks)


@pytest.mark.parametrize("model", ["sim/gpt", "sim/claude", "sim/gemini"])
async def test_a_broken_stream_has_its_usage_chunk_too(call, model):
    """What the provider had counted before the break is told, if asked for, after the chunk with the error."""
    await call.fault(eof_events=EVENTS[model])
    asked = (await call(stream=True, model=model, stream_options={"include_usage": True})).frames
    assert "gateway_error" in asked[-3]
    assert (asked[-2]["choices"], asked[-2]["usage"]["prompt_tokens"] > 0) == ([], True)
    assert not any(frame.get("usage") for frame in (await call(stream=True, model=model)).frames[:-1])


@pytest.mark.parametrize("kind", ["reset", "fin", "eof"])
async def test_a_break_before_the_first_event_keeps_its_status(call, dialect, kind):
    """Nothing was sent yet, so the client gets an error status and no stream."""
    await call.fault(**{f"{kind}_events": 0})
    answer = await call(dialect, stream=True)
    assert (answer.status, answer.headers["content-type"]) == (
        502,
        "application/json; charset=UTF-8" if dialect == "gemini" else "application/json",
    )
    assert answer.error["message"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stall_is_no_success(open_stack, caller, dialect, stream):
    """An upstream that stops sending is an error at the gap deadline: in the stream, or as a 504."""
    pools = {"chat": "openai", "messages": "anthropic", "gemini": "google"}
    provider = {"chat": "openai", "messages": "anthropic", "gemini": "google"}[dialect]
    index = list(pools).index(dialect)
    environ = {f"GATEWAY_ACCOUNTS__{index}__DEADLINES__GAP_SECONDS": "0.3"}
    async with open_stack(environ=environ) as stack:
        assert stack.gateway.control.current().accounts[f"{provider}-a"].deadlines.gap == 0.3
        call = caller(stack)
        await call.fault(**({"stall_events": 4} if stream else {"stall_bytes": 40}))
        answer = await call(dialect, stream=stream)
        assert answer.status == (200 if stream else 504)
        line = (await call.logged())[0]
        assert (line["outcome"], line["error_code"]) == ("failed" if stream else "refused", "upstream_stalled")


async def test_a_silent_thinking_phase_passes(call):
    """Seconds without a byte from the provider are a normal request, for every pair, streamed or not, side by side."""
    await call.fault(think=2.5)
    pairs = [(d, m, s) for d in ("chat", "messages", "gemini") for m in MODELS for s in (False, True)]
    async with asyncio.timeout(8):
        answers = await asyncio.gather(*(call(d, model=m, stream=s) for d, m, s in pairs))
    assert [a.status for a in answers] == [200] * len(pairs)
    assert not any(b"error" in a.raw for a in answers)


async def test_bytes_arrive_as_they_are_made(call):
    """The first piece of an answer is there long before its last; nothing on the way may keep it."""
    await call.fault(tps=60, tokens=40)
    clock = asyncio.get_running_loop().time

    async def spread(dialect: str) -> float:
        async with call.open(dialect, stream=True) as response:
            assert response.headers["cache-control"] == "no-cache"
            await response.content.readany()
            first = clock()
            await response.content.read()
            return clock() - first

    spreads = await asyncio.gather(*(spread(dialect) for dialect in ("chat", "messages", "gemini")))
    assert min(spreads) > 0.3
