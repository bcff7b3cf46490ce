from llmgw_protocols.repairs import Act, Repair
from llmgw_relay.learned import Learned

LIMIT = Repair(Act.RENAME_LIMIT, "max_tokens")
DROP = Repair(Act.DROP, "stop")


def test_what_helped_is_known_of_that_account_and_model():
    """In the order in which it was learned; nobody else's requests are changed by it."""
    learned = Learned(lambda: 0.0)
    for repair in (LIMIT, DROP, LIMIT):
        learned.learn("a", "m", repair)
    assert (LIMIT, DROP) == learned.of("a", "m")
    assert ((), ()) == (learned.of("b", "m"), learned.of("a", "n"))


def test_what_was_about_one_request_is_not_kept():
    """A signature that was refused says nothing of the next conversation."""
    learned = Learned(lambda: 0.0)
    learned.learn("a", "m", Repair(Act.NO_THINKING, lasting=False))
    assert () == learned.of("a", "m")


def test_it_is_forgotten_after_a_while():
    """Counted from the last that was learned of the model."""
    now = 0.0
    learned = Learned(lambda: now, ttl=10)
    learned.learn("a", "m", LIMIT)
    now = 6.0
    learned.learn("a", "m", DROP)
    now = 15.0
    assert (LIMIT, DROP) == learned.of("a", "m")
    now = 17.0
    assert () == learned.of("a", "m")


def test_only_so_many_models_are_known():
    """The longest unused goes first: a star route takes any name."""
    learned = Learned(lambda: 0.0, limit=2)
    for model in ("m", "n", "o"):
        learned.learn("a", model, LIMIT)
    assert [(), (LIMIT,), (LIMIT,)] == [learned.of("a", model) for model in ("m", "n", "o")]
    assert "<Learned of 2 models>" == repr(learned)
