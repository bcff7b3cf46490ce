"""contract.md, "Errors before the stream". Bad requests of all kinds are in `test_bad_input`."""

from __future__ import annotations

import socket

import pytest

CREDENTIAL = "sk-up-stream"

# What a provider's status becomes: the status for chat, Anthropic's type, Google's status.
STATUSES = {
    400: (400, "invalid_request_error", "INVALID_ARGUMENT"),
    401: (503, "api_error", "UNAVAILABLE"),
    403: (403, "permission_error", "PERMISSION_DENIED"),
    404: (404, "not_found_error", "NOT_FOUND"),
    413: (413, "request_too_large", "INVALID_ARGUMENT"),
    429: (429, "rate_limit_error", "RESOURCE_EXHAUSTED"),
    500: (502, "api_error", "UNAVAILABLE"),
    502: (502, "api_error", "UNAVAILABLE"),
    503: (503, "overloaded_error", "UNAVAILABLE"),
    504: (504, "timeout_error", "DEADLINE_EXCEEDED"),
}
MODELS = {"openai": "sim/gpt", "anthropic": "sim/claude", "google": "sim/gemini"}
OWN = {"chat": "openai", "messages": "anthropic", "gemini": "google"}


@pytest.fixture(params=["chat", "messages", "gemini"])
def dialect(request):
    return request.param


def status_for(dialect: str, upstream: int) -> int:
    """Anthropic has a status of its own for an overloaded provider."""
    return 529 if dialect == "messages" and upstream == 503 else STATUSES[upstream][0]


def check_envelope(dialect: str, upstream: int, answer) -> str:
    """The dialect's own envelope with the right type; gives the message."""
    error = answer.error
    if dialect == "chat":
        assert {"message", "type", "param", "code"} <= set(error)
        assert error["type"]
    elif dialect == "messages":
        assert (answer.json["type"], error["type"]) == ("error", STATUSES[upstream][1])
    else:
        assert (error["code"], error["status"]) == (answer.status, STATUSES[upstream][2])
    message: str = error["message"]
    assert message
    return message


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("upstream", STATUSES)
async def test_a_providers_status(stack, call, upstream, stream):
    """Each dialect's own envelope and status, for every provider's own error body."""
    await call.fault(status=upstream)
    for dialect in OWN:
        for model in MODELS.values():
            answer = await call(dialect, model=model, stream=stream)
            assert answer.status == status_for(dialect, upstream), answer.raw
            assert answer.headers["content-type"].startswith("application/json")
            check_envelope(dialect, upstream, answer)
            line = stack.requests[-1]
            assert (line["status"], line["outcome"], line["upstream_status"]) == (answer.status, "refused", upstream)


ABOUT_THE_REQUEST = (400, 413)


@pytest.mark.parametrize("upstream", STATUSES)
async def test_whose_words(call, dialect, upstream):
    """The provider's message where it is about the request; ours where it is about the account or the provider."""
    await call.fault(status=upstream, message="words of the provider for org-7")
    for model in MODELS.values():
        answer = await call(dialect, model=model)
        told = check_envelope(dialect, upstream, answer)
        assert ("words of the provider" in told) == (upstream in ABOUT_THE_REQUEST)
        assert ("org-7" in answer.raw.decode()) == (upstream in ABOUT_THE_REQUEST)


@pytest.mark.parametrize("provider", MODELS)
async def test_never_a_credential(stack, call, dialect, provider):
    """A provider that quotes the account's key does not reach the client or the log with it, whatever its status."""
    for upstream in STATUSES:
        await call.fault(status=upstream, message=f"Incorrect API key provided: {CREDENTIAL}. Find your key at ...")
        answer = await call(dialect, model=MODELS[provider])
        assert answer.status == status_for(dialect, upstream)
        assert CREDENTIAL not in answer.raw.decode()
        assert CREDENTIAL not in str(answer.headers)
    assert CREDENTIAL not in str(stack.lines)


async def test_never_a_credential_of_any_shape(open_stack, caller, dialect):
    """The gateway knows which credential it used, so it needs no pattern to find it: servers of one's own have any."""
    async with open_stack(environ={"UP_KEY": "correct.horse.battery"}) as stack:
        call = caller(stack)
        await call.fault(status=400, message="no budget is left for correct.horse.battery")
        for model in MODELS.values():
            assert "correct.horse.battery" not in (await call(dialect, model=model)).raw.decode()
        assert "correct.horse.battery" not in str(stack.lines)


async def test_never_a_traceback(stack, call, dialect, monkeypatch):
    """A defect of the gateway's own is a 500 in the dialect's envelope; what went wrong is in the log alone."""

    def broken(*_: object) -> None:
        raise RuntimeError("inner workings")

    monkeypatch.setattr(type(stack.gateway.control.current()), "route", broken)
    answer = await call(dialect)
    assert answer.status == 500
    assert answer.error["message"]
    assert b"inner workings" not in answer.raw
    assert b"Traceback" not in answer.raw
    assert "inner workings" in str(stack.lines)
    (line,) = await call.logged()
    assert (line["status"], line["outcome"] in ("ok", "cancelled")) == (500, False)


async def test_an_unreachable_provider_is_502(open_stack, caller, dialect):
    """Connection refused."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        environ = {
            "GATEWAY_ACCOUNTS__0__BASE_URL": f"{url}/v1",
            "GATEWAY_ACCOUNTS__1__BASE_URL": url,
            "GATEWAY_ACCOUNTS__2__BASE_URL": url,
        }
        async with open_stack(environ=environ) as stack:
            answer = await caller(stack)(dialect)
    assert answer.status == 502
    assert url not in check_envelope(dialect, 502, answer)
    assert stack.requests[-1]["error_code"] == "upstream_unreachable"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_policy_that_excludes_the_model_is_403(open_stack, caller, dialect, stream):
    """Key may not use this."""
    more = 'policy = "few"\n[[policies]]\nid = "few"\nmodels = ["openai/*"]\n'
    async with open_stack(more=more) as stack:
        call = caller(stack)
        answer = await call(dialect, stream=stream)
        assert answer.status == 403
        assert "may not use the model" in check_envelope(dialect, 403, answer)
        assert (await call(dialect, model="openai/x")).status == 200


async def test_a_disabled_key_is_401(open_stack, caller, dialect):
    """A key that is switched off is as good as none."""
    async with open_stack(more="enabled = false") as stack:
        assert (await caller(stack)(dialect)).status == 401


async def test_no_account_is_503_and_says_why(open_stack, caller, dialect):
    """A pool whose only account is switched off."""
    environ = {f"GATEWAY_ACCOUNTS__{n}__ENABLED": "false" for n in range(3)}
    async with open_stack(environ=environ) as stack:
        answer = await caller(stack)(dialect)
    assert answer.status == 503
    assert "1 disabled" in answer.error["message"]
    assert answer.headers["retry-after"]


async def test_a_timeout_of_the_clients_choice_is_504(stack, call, dialect):
    """`x-gw-timeout` bounds the whole call; the provider is left."""
    for stream in (False, True):
        await call.fault(think=30)
        answer = await call(dialect, stream=stream, headers={"x-gw-timeout": "0.3"})
        assert answer.status == 504
        check_envelope(dialect, 504, answer)


async def test_a_timeout_inside_a_stream_is_told_in_it(stack, call):
    """After the first byte it is a broken stream, with the reason."""
    await call.fault(tps=20, tokens=200)
    answer = await call(stream=True, headers={"x-gw-timeout": "0.5"})
    assert (answer.status, answer.frames[-2]["gateway_error"]["code"]) == (200, "timeout")


async def test_an_account_whose_key_is_refused_is_not_the_clients_401(stack, call):
    """A client whose key is right is not told that it is wrong: 503, and the log has the reason."""
    await call.fault(status=401)
    answer = await call()
    assert (answer.status, answer.error["code"]) == (503, "no_available_account")
    line = (await call.logged())[0]
    assert (line["upstream_status"], line["level"]) == (401, "warning")


async def test_too_many_bytes_in_flight_is_503(open_stack, caller, dialect):
    """The sum of buffered bodies is bounded; the refusal says when to come back."""
    async with open_stack(server="max_buffered_bytes = 1000") as stack:
        answer = await caller(stack)(dialect, text="x" * 2000)
        assert answer.status == 503
        assert answer.error["message"]
        assert int(answer.headers["retry-after"]) >= 1
        assert await stack.upstream_saw() == []


async def test_types_and_codes_are_from_a_stable_list(stack, call):
    """Every code that a refused request shows is one of the documented error tree."""
    from llmgw_domain import errors

    known = {(e.type, e.code) for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)}
    for upstream in STATUSES:
        await call.fault(status=upstream)
        error = (await call("chat", model="sim/claude")).error
        assert (error["type"], error["code"]) in known
