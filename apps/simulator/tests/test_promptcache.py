import pytest

from llmgw_simulator.ask import Ask, Turn
from llmgw_simulator.breakpoints import FIVE_MINUTES, HOUR, Block
from llmgw_simulator.engine import prompt_tokens
from llmgw_simulator.promptcache import LEAST, Held, PromptCache, least_of_claude
from llmgw_simulator.wire import Parsed

LONG = "word " * 2000


def asked(*texts, model="gpt-5", retention=None):
    ask = Ask(model=model, turns=tuple(Turn("user", text) for text in texts))
    return Parsed(ask=ask, stream=False, retention=retention)


def used(cache, parsed, owner="key-1", now=0.0, dialect="chat"):
    """What the prompt has to do with the cache; then it is kept."""
    found = cache.find(dialect, owner, parsed, prompt_tokens(parsed.ask), now)
    found.keep()
    return found.held


def test_a_prompt_that_came_before_is_read_in_steps():
    """All that both begin with, rounded down to a step, and never more than the prompt; nothing counts as written."""
    cache = PromptCache()
    assert Held() == used(cache, asked(LONG))
    again = used(cache, asked(LONG, "and more"))
    assert ((again.read - LEAST) % 128, True, 0) == (0, 2300 < again.read <= 2500, again.written)
    assert used(cache, asked(LONG)).read <= prompt_tokens(asked(LONG).ask)


def test_short_prompts_are_not_cached():
    """Less than 1024 tokens."""
    cache, short = PromptCache(), asked("x" * (LEAST * 4 - 100))
    assert [Held(), Held()] == [used(cache, short), used(cache, short)]


def test_it_is_of_a_credential_and_a_model():
    """Another of either finds nothing, nor does another beginning."""
    cache = PromptCache()
    used(cache, asked(LONG))
    assert Held() == used(cache, asked(LONG), owner="key-2")
    assert Held() == used(cache, asked(LONG, model="gpt-4o"))
    assert Held() == used(cache, asked("x" + LONG))
    assert used(cache, asked(LONG)).read > 0


def test_a_request_that_is_not_let_in_leaves_nothing():
    """Only what is kept is there."""
    cache = PromptCache()
    cache.find("chat", "key-1", asked(LONG), 2500, 0.0)
    assert Held() == used(cache, asked(LONG))


@pytest.mark.parametrize(
    ("dialect", "model", "retention", "life"),
    [
        ("chat", "gpt-5", None, 600),
        ("responses", "gpt-4.1", "24h", 86_400),
        ("chat", "gpt-5.6", None, 1800),
        ("chat", "gpt-6", "12h", 43_200),
        ("gemini", "gemini-2.5-flash", None, 300),
    ],
)
def test_a_prompt_lives_as_long_as_its_provider_says(dialect, model, retention, life):
    """After its last use."""
    cache, prompt = PromptCache(), asked(LONG, model=model, retention=retention)
    times = (0, life - 1, 2 * life - 2, 3 * life - 1)
    assert [False, True, True, False] == [used(cache, prompt, now=at, dialect=dialect).read > 0 for at in times]


def test_geminis_models_have_least_lengths_of_their_own():
    """1024 tokens for Flash, 4096 for Pro."""
    cache = PromptCache()
    found = [
        [used(cache, asked(LONG, model=model), dialect="gemini").read > 0 for _ in range(2)]
        for model in ("gemini-2.5-flash", "gemini-2.5-pro")
    ]
    assert [[False, True], [False, False]] == found


def test_claude_reads_and_writes_up_to_its_breakpoints():
    """What is behind the last one is neither; an hour's part is told apart."""
    ask = asked("x" * 4 * 5000, model="claude-sonnet-4-5").ask
    blocks = (Block(b"a", 2000, HOUR), Block(b"b", 1000, FIVE_MINUTES), Block(b"c", 2000))
    prompt = Parsed(ask=ask, stream=False, blocks=blocks)
    cache = PromptCache()
    assert Held(0, 3000, 2000) == used(cache, prompt, dialect="messages")
    assert Held(3000, 0, 0) == used(cache, prompt, now=299.0, dialect="messages")
    assert Held(2000, 1000, 0) == used(cache, prompt, now=700.0, dialect="messages")
    assert Held() == used(PromptCache(), asked(LONG, model="claude-sonnet-4-5"), dialect="messages")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-3-haiku-20240307", 2048),
        ("claude-sonnet-4-5", 1024),
        ("claude-opus-4-5", 4096),
        ("claude-sonnet-4-6", 2048),
        ("claude-haiku-4-5", 4096),
        ("sim/other", 1024),
    ],
)
def test_claudes_models_have_least_lengths_of_their_own(model, expected):
    """By line and version; another name has the shortest."""
    assert expected == least_of_claude(model)
