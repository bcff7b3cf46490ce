import msgspec

from llmgw_simulator.ask import Ask, Turn
from llmgw_simulator.engine import decide
from llmgw_simulator.ledger import Ledger, conversation, turn_of

ASK = Ask(
    model="m",
    turns=(Turn("system", "be brief"), Turn("user", "first"), Turn("assistant", "yes"), Turn("user", "second")),
)


def test_a_conversation_is_its_first_user_message():
    """Whatever else changes from turn to turn; turns count by the user's messages."""
    later = Ask(model="m", turns=(Turn("user", "first"),))
    assert (conversation(later), 1, 2) == (conversation(ASK), turn_of(later), turn_of(ASK))
    assert conversation(ASK) != conversation(Ask(model="m", turns=(Turn("user", "other"),)))
    assert 0 == turn_of(Ask(model="m", turns=()))


def test_a_line_says_what_an_answer_costs():
    """Tokens of the prompt and those that a cache gave and took, and of the answer."""
    line = Ledger(10).open(7, 1.5, "key-1", ASK)
    answers = msgspec.structs.replace(decide(ASK, 0), prompt_tokens=100, cached_tokens=60, written_tokens=30)
    line.count(msgspec.structs.replace(answers, written_hour_tokens=10))
    assert (7, 1.5, "key-1", "m", 2) == (line.id, line.started, line.credential, line.model, line.turn)
    assert (100, 60, 30, 10, answers.tokens) == (line.prompt, line.cached, line.written, line.written_hour, line.output)


def test_the_last_lines_are_kept_in_their_order():
    """A reader goes on behind the last one that it has."""
    ledger = Ledger(3)
    for number in range(5):
        ledger.open(number, 0.0, "key", ASK)
    assert [2, 3, 4] == [line.id for line in ledger.after(0, 10)]
    assert [3] == [line.id for line in ledger.after(2, 1)]
    ledger.clear()
    assert [] == ledger.after(0, 10)
