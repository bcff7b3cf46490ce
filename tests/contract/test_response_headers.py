"""contract.md, "Response headers on every call"."""

from __future__ import annotations

import pytest

ALWAYS = {"x-request-id", "x-gw-attempts", "x-gw-session", "x-gw-config-version"}
SERVED = ALWAYS | {"x-gw-model", "x-gw-account"}

POLICY = """
policy = "quiet"
[[policies]]
id = "quiet"
hide_accounts = true
"""


@pytest.fixture(params=["chat", "messages", "gemini"])
def dialect(request):
    return request.param


def ours(headers) -> set[str]:
    return {name.lower() for name in headers if name.lower().startswith("x-gw-") or name.lower() == "x-request-id"}


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_has_them_all(stack, call, dialect, stream):
    """Target model, account, attempts, session placement, version of the configuration, request id."""
    answer = await call(dialect, stream=stream)
    assert ours(answer.headers) == SERVED
    expected = {
        "chat": ("sim-gpt", "openai-a"),
        "messages": ("claude-sonnet-4-5", "anthropic-a"),
        "gemini": ("gemini-2.5-flash", "google-a"),
    }
    assert (answer.headers["x-gw-model"], answer.headers["x-gw-account"]) == expected[dialect]
    assert (answer.headers["x-gw-attempts"], answer.headers["x-gw-session"]) == ("1", "new")
    assert answer.headers["x-gw-config-version"] == stack.gateway.control.current().version


@pytest.mark.parametrize("stream", [False, True])
async def test_a_providers_refusal_has_them_all(stack, call, dialect, stream):
    """So does an error that an account gave."""
    await call.fault(status=400)
    answer = await call(dialect, stream=stream)
    assert (answer.status, ours(answer.headers)) == (400, SERVED)


async def test_a_request_for_no_model_has_those_that_are_known(stack, call, dialect):
    """Without an account there is none to name."""
    answer = await call(dialect, model="nonesuch")
    assert (answer.status, ours(answer.headers)) == (404, ALWAYS)
    assert answer.headers["x-gw-attempts"] == "0"


async def test_a_refusal_at_the_door_has_a_request_id(stack, call, dialect):
    """Without a valid key there is the request's id."""
    answer = await call(dialect, headers={"authorization": "Bearer wrong"})
    assert answer.status == 401
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("headers", [{"authorization": "Bearer wrong"}, {"x-gw-timeout": "soon"}])
async def test_a_refusal_at_the_door_has_those_that_are_known(call, dialect, headers):
    """No attempt, no session, the version of the configuration: on every call."""
    assert ours((await call(dialect, headers=headers)).headers) == ALWAYS


@pytest.mark.parametrize("fault", [{}, {"status": 400}, {"status": 429}, {"status": 500}])
async def test_a_policy_hides_account_ids(open_stack, caller, fault):
    """A key whose policy hides accounts gets no account's id, in answers and in errors."""
    async with open_stack(more=POLICY) as stack:
        call = caller(stack)
        await call.fault(**fault)
        for stream in (False, True):
            answer = await call(stream=stream)
            assert ours(answer.headers) == SERVED - {"x-gw-account"}
            assert b"openai-a" not in answer.raw


async def test_what_could_not_be_expressed_is_named(stack, call):
    """`x-gw-lossy` lists the fields that the target does not have, and is absent when there are none."""
    fields = {"seed": 7, "logit_bias": {"50256": -100}, "frequency_penalty": 0.5}
    assert (await call(model="sim/gpt", **fields)).headers.get("x-gw-lossy") is None
    answer = await call(model="sim/claude", **fields)
    assert answer.status == 200
    assert sorted(answer.headers["x-gw-lossy"].split(",")) == sorted(fields)
    assert sorted(stack.requests[-1]["lossy"]) == sorted(fields)


async def test_what_has_no_effect_on_the_answer_is_not_named(stack, call):
    """Fields for the provider's own books are left out of `x-gw-lossy`."""
    answer = await call(model="sim/claude", user="u-1", store=False, metadata={"a": "b"})
    assert (answer.status, answer.headers.get("x-gw-lossy")) == (200, None)


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_of_the_provider(stack, call, dialect, status):
    """On 429 and 503, in whole seconds, from what the provider said."""
    await call.fault(status=status, retry_after=70)
    answer = await call(dialect)
    assert answer.status == (529 if dialect == "messages" and status == 503 else status)
    assert answer.headers["retry-after"] == "70"


async def test_retry_after_without_the_providers_word(stack, call, dialect):
    """It is there even if the provider said nothing."""
    await call.fault(status=503)
    assert int((await call(dialect)).headers["retry-after"]) >= 1


@pytest.mark.parametrize("status", [400, 500])
async def test_no_retry_after_elsewhere(stack, call, dialect, status):
    """Other statuses have none."""
    await call.fault(status=status)
    assert "retry-after" not in (await call(dialect)).headers


async def test_attempts_are_counted(open_stack, caller):
    """`x-gw-attempts` counts the accounts that were asked."""
    second = """
[[accounts]]
id = "openai-b"
provider = "openai"
credential = "env:UP_KEY"
base_url = "{base}/v1"
pool = "openai"
"""
    async with open_stack() as first, open_stack(more=second.format(base=first.simulator.base_url)) as stack:
        for running in (first, stack):
            await caller(running).fault(status=500)
        answer = await caller(stack)()
        assert (answer.status, answer.headers["x-gw-attempts"]) == (502, "2")
        assert stack.requests[-1]["attempts"] == 2


@pytest.mark.parametrize("fault", [{}, {"status": 400}])
async def test_the_clients_request_id_comes_back(stack, call, dialect, fault):
    """A sane `x-request-id` is kept, in the answer and in the log; Anthropic's clients find it as `request-id` too."""
    await call.fault(**fault)
    answer = await call(dialect, headers={"x-request-id": "my-id.42"})
    assert answer.headers["x-request-id"] == "my-id.42"
    assert stack.requests[-1]["request_id"] == "my-id.42"
    if dialect == "messages":
        assert answer.headers["request-id"] == "my-id.42"


async def test_an_insane_request_id_is_replaced(stack, call):
    """What could forge a log line, or is endless, is not repeated."""
    for given in ("a b", "x" * 129, '"}'):
        answer = await call(headers={"x-request-id": given})
        assert answer.headers["x-request-id"] not in ("", given)


async def test_request_ids_differ(stack, call):
    """Without the client's own each request has another."""
    assert len({(await call()).headers["x-request-id"] for _ in range(5)}) == 5


async def test_tags_are_for_attribution(stack, call):
    """`x-gw-tags` comes into the log and does not go to the provider."""
    await call(headers={"x-gw-tags": "team=search"})
    assert stack.requests[-1]["tags"] == "team=search"
    assert "x-gw-tags" not in (await stack.upstream_saw())[-1]["headers"]
