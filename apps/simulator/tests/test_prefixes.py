from hypothesis import given
from hypothesis import strategies as st

from llmgw_simulator.prefixes import STEP, Prefixes, chain_of, common

LEAST = 256
TEXT = "".join(f"{number:05}" for number in range(2000)).encode()


def chain(text, seed=b"key/model"):
    return chain_of(seed, text, LEAST)


def tokens(size):
    """The text's first `size` tokens."""
    return TEXT[: size * 4]


def test_a_prompt_has_a_digest_at_each_length_that_may_be_found():
    """From the least length on, one a step; none if it is shorter."""
    sizes = (LEAST - 1, LEAST, LEAST + STEP - 1, LEAST + STEP, LEAST + 5 * STEP)
    assert [0, 1, 1, 2, 6] == [len(chain(tokens(size))) for size in sizes]


@given(st.integers(0, 1500), st.integers(0, 1500))
def test_two_prompts_have_in_common_what_they_begin_with(same, more):
    """In whole steps, whatever follows."""
    one, other = tokens(same) + b"a" * more * 4, tokens(same) + b"b" * more * 4
    expected = max(0, (same - LEAST) // STEP + 1) if same >= LEAST else 0
    shared = common(chain(one), chain(other))
    assert expected == shared or (more == 0 and shared == len(chain(one)))


def test_what_was_kept_is_found_until_its_end():
    """And not by another seed."""
    kept, now = Prefixes(), 100.0
    kept.keep(chain(tokens(LEAST + 3 * STEP)), now, life=60.0)
    longer = chain(tokens(LEAST + 9 * STEP))
    assert [4, 4, 0] == [kept.longest(longer, at) for at in (100.0, 159.0, 160.0)]
    assert 0 == kept.longest(chain(tokens(1000), seed=b"key/other"), now)
    assert 0 == kept.longest(chain(b"short"), now)


def test_a_conversation_takes_one_place_however_long_it_gets():
    """The next prompt replaces the one that it continues; one that goes another way has a place of its own."""
    kept = Prefixes()
    for steps in range(5):
        kept.keep(chain(tokens(LEAST + steps * STEP)), 0.0, 60.0)
    assert "<Prefixes 1 prompts>" == repr(kept)
    kept.keep(chain(tokens(LEAST + STEP) + b"x" * 4 * STEP), 0.0, 60.0)
    assert "<Prefixes 2 prompts>" == repr(kept)
    assert 5 == kept.longest(chain(tokens(1500)), 0.0)


def test_what_has_ended_leaves():
    """With the next prompt that begins like it."""
    kept = Prefixes()
    kept.keep(chain(tokens(LEAST) + b"x" * 4 * STEP), 0.0, 60.0)
    kept.keep(chain(tokens(LEAST) + b"y" * 4 * STEP), 61.0, 60.0)
    assert "<Prefixes 1 prompts>" == repr(kept)
