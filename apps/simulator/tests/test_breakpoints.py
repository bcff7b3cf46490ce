from llmgw_simulator.breakpoints import FIVE_MINUTES, HOUR, LOOKBACK, Block, Breakpoints, places_of

LEAST = 100


def places(*marks, seed=b"key/model", total=10**9):
    """A prompt of blocks of 100 tokens that are numbered, one for each mark: its life, or None."""
    return places_of(seed, [Block(b"%d" % at, 100, life) for at, life in enumerate(marks)], total)


def read(cache, prompt, now):
    """Tokens that the prompt finds; then it is kept."""
    found = cache.longest(prompt, now)
    cache.keep(prompt, found, LEAST, now)
    return found.tokens if found else 0


def test_what_a_breakpoint_kept_is_found_by_a_longer_prompt():
    """Up to that breakpoint, which the next prompt need not have any more; what follows it is new."""
    cache = Breakpoints()
    assert [0, 200, 200, 400] == [
        read(cache, prompt, 0.0)
        for prompt in (
            places(None, FIVE_MINUTES),
            places(None, None, None, FIVE_MINUTES),
            places(None, FIVE_MINUTES),
            places(None, None, None, None, FIVE_MINUTES),
        )
    ]


def test_nothing_is_kept_unasked():
    """And what asks for nothing finds nothing."""
    cache = Breakpoints()
    read(cache, places(FIVE_MINUTES, None, None), 0.0)
    assert [0, 100] == [read(cache, prompt, 0.0) for prompt in (places(None, None), places(None, None, FIVE_MINUTES))]


def test_another_beginning_finds_nothing():
    """Nor does another credential or model, which is the seed."""
    cache = Breakpoints()
    read(cache, places(FIVE_MINUTES), 0.0)
    other = places_of(b"key/model", [Block(b"other", 100, FIVE_MINUTES)], 1000)
    assert [0, 0] == [read(cache, other, 0.0), read(cache, places(FIVE_MINUTES, seed=b"key/other"), 0.0)]


def test_what_is_too_short_is_not_kept():
    """Less than the model's least length."""
    cache, short = Breakpoints(), places_of(b"", [Block(b"a", LEAST - 1, HOUR)], 1000)
    assert [0, 0] == [read(cache, short, 0.0), read(cache, short, 1.0)]


def test_it_lives_five_minutes_or_an_hour_after_its_last_use():
    """Each use begins its life anew; the longer life stays."""
    cache, short, long = Breakpoints(), places(FIVE_MINUTES), places(HOUR, seed=b"long")
    assert [0, 100, 100, 0] == [read(cache, short, now) for now in (0.0, 299.0, 598.0, 900.0)]
    assert [0, 100] == [read(cache, long, now) for now in (0.0, 3599.0)]
    assert [100, 100] == [read(cache, places(FIVE_MINUTES, seed=b"long"), now) for now in (4000.0, 7000.0)]


def test_only_so_many_blocks_before_a_breakpoint_are_looked_at():
    """As the provider says: a breakpoint that is further back is not found, unless it is still marked."""
    cache = Breakpoints()
    read(cache, places(FIVE_MINUTES), 0.0)
    rest = [None] * (LOOKBACK - 2)
    assert 100 == cache.longest(places(None, *rest, FIVE_MINUTES), 0.0).tokens
    assert cache.longest(places(None, None, *rest, FIVE_MINUTES), 0.0) is None
    assert 100 == cache.longest(places(FIVE_MINUTES, None, *rest, FIVE_MINUTES), 0.0).tokens


def test_no_place_goes_beyond_the_prompt():
    """So that usage adds up."""
    assert [100, 150] == [place.tokens for place in places(None, HOUR, total=150)]
