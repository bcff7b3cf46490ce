from llmgw_simulator.ask import Ask, Turn
from llmgw_simulator.engine import prompt_tokens
from llmgw_simulator.promptcache import LEAST, STEP, PromptCache


def asked(*texts, model="gpt-5"):
    return Ask(model=model, turns=tuple(Turn("user", text) for text in texts))


def used(cache, ask, owner="key-1", now=0.0):
    return cache.use(owner, ask, prompt_tokens(ask), now)


def test_a_prompt_that_came_before_is_cached_in_steps():
    """All that both begin with, rounded down to a step, and never more than the prompt."""
    cache, long = PromptCache(), "word " * 2000
    assert 0 == used(cache, asked(long))
    again = used(cache, asked(long, "and more"))
    assert (0, True) == (again % STEP, 2300 < again <= 2500)
    assert used(cache, asked(long)) <= prompt_tokens(asked(long))


def test_short_prompts_are_not_cached():
    """Less than 1024 tokens."""
    cache = PromptCache()
    short = "x" * (LEAST * 4 - 100)
    assert [0, 0] == [used(cache, asked(short)), used(cache, asked(short))]


def test_it_is_of_a_credential_and_a_model():
    """Another of either finds nothing, nor does another beginning."""
    cache, long = PromptCache(), "word " * 2000
    used(cache, asked(long))
    assert 0 == used(cache, asked(long), owner="key-2")
    assert 0 == used(cache, asked(long, model="gpt-4o"))
    assert 0 == used(cache, asked("x" + long))
    assert used(cache, asked(long)) > 0


def test_it_ends_half_an_hour_after_its_last_use():
    """Faster with a time scale."""
    cache, fast, ask = PromptCache(), PromptCache(100.0), asked("word " * 2000)
    assert [0, True, True, False] == [
        found and True for found in (used(cache, ask, now=at) for at in (0, 1700, 3400, 5300))
    ]
    used(fast, ask)
    assert (True, 0) == (used(fast, ask, now=17) > 0, used(fast, ask, now=36))
