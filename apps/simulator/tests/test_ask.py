from llmgw_simulator.ask import Answer, Answers, Ask, Media, ToolResult, Turn


def test_the_last_user_turn_is_everything_since_the_last_answer():
    """Results and texts of several messages are one turn; system texts in between are not the user's."""
    image = Media("image", "image/png", 3)
    turns = (
        Turn("user", "old"),
        Turn("assistant", "answer"),
        Turn("user", results=(ToolResult("a", "1"),)),
        Turn("system", "rule"),
        Turn("user", "new", (image,)),
    )
    assert Turn("user", "new", (image,), (ToolResult("a", "1"),)) == Ask(model="m", turns=turns).last_user()


def test_before_a_prefilled_answer_the_turn_is_the_one_before_it():
    """An assistant's turn at the end is what the answer starts with, not what is answered."""
    turns = (Turn("user", "question"), Turn("assistant", "Well,"))
    assert "question" == Ask(model="m", turns=turns).last_user().text


def test_tokens_add_up_over_choices():
    """Usage is told for all choices together."""
    one = Answer(parts=(), finish="stop", stop_sequence=None, tokens=5, reasoning_tokens=2)
    answers = Answers("d", 1, (one, one))
    assert (10, 4) == (answers.tokens, answers.reasoning_tokens)


def test_a_word_of_the_user_asks_for_a_refusal():
    """In the last turn, in capitals, by itself."""
    texts = ("please REFUSE this", "refuse", "REFUSED")
    assert [True, False, False] == [Ask(model="m", turns=(Turn("user", text),)).refuses for text in texts]
    assert not Ask(model="m", turns=(Turn("user", "REFUSE"), Turn("assistant", "No"), Turn("user", "Hi"))).refuses
