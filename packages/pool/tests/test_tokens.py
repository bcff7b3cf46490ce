import asyncio

import pytest

from llmgw_domain.errors import AccountRejected
from llmgw_pool.signer import Unsigned
from llmgw_pool.tokens import Token, Tokens, TokenSigner


class Issuer:
    """Grants t1, t2, ... that live an hour, or what `answers` holds; `gate` holds fetches back."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0
        self.now = 1000.0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self):
        self.asked += 1
        number = self.asked
        await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else Token(f"t{number}", 3600.0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def tokens(self, patience=5.0):
        return Tokens(self, patience, lambda: self.now)


def down(detail="down"):
    return AccountRejected(detail=detail)


async def started(tokens, count):
    """Calls that wait for a token."""
    calls = [asyncio.get_running_loop().create_task(tokens.current()) for _ in range(count)]
    await asyncio.sleep(0)
    return calls


async def test_a_token_is_fetched_once_and_kept():
    """The first call fetches, the next ones use what it got."""
    issuer = Issuer()
    tokens = issuer.tokens()
    assert ["t1"] * 3 == [(await tokens.current()).text for _ in range(3)]
    assert 1 == issuer.asked


async def test_calls_at_once_share_one_fetch():
    """Nobody asks while another is asking."""
    issuer = Issuer()
    issuer.gate.clear()
    calls = await started(issuer.tokens(), 20)
    issuer.gate.set()
    assert ({"t1"}, 1) == ({token.text for token in await asyncio.gather(*calls)}, issuer.asked)


async def test_calls_at_once_share_a_failure():
    """Each gets an error of its own, with the one reason; the next call asks again."""
    issuer = Issuer(down("why"))
    tokens = issuer.tokens()
    issuer.gate.clear()
    calls = await started(tokens, 5)
    issuer.gate.set()
    failures = await asyncio.gather(*calls, return_exceptions=True)
    assert ([AccountRejected] * 5, {"why"}) == ([type(f) for f in failures], {f.detail for f in failures})
    assert 5 == len(set(map(id, failures)))
    assert (1, "t2", 2) == (issuer.asked, (await tokens.current()).text, issuer.asked)


@pytest.mark.parametrize(
    ("life", "after", "expected"),
    [(3600.0, 3299.0, "t"), (3600.0, 3301.0, "t2"), (100.0, 49.0, "t"), (100.0, 51.0, "t2"), (5.0, 6.0, "t2")],
)
async def test_a_token_is_renewed_before_its_end(life, after, expected):
    """Five minutes before, or at half of a short life."""
    issuer = Issuer(Token("t", life))
    tokens = issuer.tokens()
    await tokens.current()
    issuer.now += after
    assert expected == (await tokens.current()).text


async def test_an_old_token_serves_while_it_is_renewed():
    """Only the call that renews it waits."""
    issuer = Issuer(Token("old", 3600.0))
    tokens = issuer.tokens()
    await tokens.current()
    issuer.now += 3400
    issuer.gate.clear()
    (renewing,) = await started(tokens, 1)
    assert "old" == (await tokens.current()).text
    issuer.gate.set()
    assert ("t2", "t2") == ((await renewing).text, (await tokens.current()).text)


async def test_an_old_token_serves_where_renewing_fails():
    """While it is good; renewing is tried again after half a minute, and in the end the failure is told."""
    issuer = Issuer(Token("old", 3600.0), down(), down(), down())
    tokens = issuer.tokens()
    await tokens.current()
    issuer.now += 3400
    assert ["old", "old"] == [(await tokens.current()).text for _ in range(2)]
    assert 2 == issuer.asked
    issuer.now += 31
    assert ("old", 3) == ((await tokens.current()).text, issuer.asked)
    issuer.now += 200
    with pytest.raises(AccountRejected):
        await tokens.current()


async def test_a_call_that_gives_up_leaves_the_fetch_to_the_next():
    """A cancelled call takes its fetch with it, and another one begins."""
    issuer = Issuer()
    issuer.gate.clear()
    first, second = await started(issuer.tokens(), 2)
    first.cancel()
    await asyncio.sleep(0)
    issuer.gate.set()
    assert ("t2", 2) == ((await second).text, issuer.asked)
    assert first.cancelled()


async def test_waiting_is_bounded():
    """An issuer that does not answer costs every waiting call the same bounded time."""
    issuer = Issuer()
    issuer.gate.clear()
    calls = await started(issuer.tokens(0.05), 3)
    async with asyncio.timeout(1):
        failures = await asyncio.gather(*calls, return_exceptions=True)
    assert {"no access token within 0.05 s"} == {f.detail for f in failures}


async def test_a_refused_token_is_renewed_once():
    """A second one refused soon after shows that the account is, so that no call asks for tokens again and again."""
    issuer = Issuer()
    tokens = issuer.tokens()
    await tokens.current()
    assert tokens.refused("t1")
    assert "t2" == (await tokens.current()).text
    assert (True, False) == (tokens.refused("t1"), tokens.refused("t2"))
    assert "t2" == (await tokens.current()).text
    issuer.now += 61
    assert (True, "t3") == (tokens.refused("t2"), (await tokens.current()).text)


async def test_a_token_is_a_bearer():
    """With the headers that were granted beside it."""
    issuer = Issuer(Token("t", 3600.0, (("x-goog-user-project", "p"),)))
    signer = TokenSigner(issuer.tokens())
    signature = await signer.sign(Unsigned("POST", "http://h/", {}, b""))
    assert ((("authorization", "Bearer t"), ("x-goog-user-project", "p")), ("t",)) == signature
    assert signer.refused(signature)


async def test_a_token_does_not_print():
    """Neither in a repr of its own nor of what keeps it."""
    tokens = Issuer(Token("s3cret", 60.0)).tokens()
    await tokens.current()
    assert "<TokenSigner <Tokens <Token for 60 s>, 1 fetched>>" == repr(TokenSigner(tokens))
