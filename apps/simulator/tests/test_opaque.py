from llmgw_simulator.opaque import decoded, is_signature, sign, token


def test_a_token_repeats_and_has_its_length():
    """The same digest gives the same letters."""
    assert token("a", 24) == token("a", 24)
    assert (24, True) == (len(token("a", 24)), token("a", 24).isalnum())
    assert token("a", 24) != token("b", 24)


def test_a_signature_holds_for_its_text_only():
    """A changed text or a changed signature is noticed."""
    made = sign("thought", "nonce")
    assert is_signature(made)
    assert is_signature(made, "thought")
    assert not is_signature(made, "thought ")
    assert not is_signature("A" + made[1:])
    assert not is_signature("???")
    assert is_signature(made.rstrip("="), lenient=True)
    assert made != sign("thought", "other")


def test_base64_is_strict_unless_lenient():
    """The URL alphabet and missing padding pass only where Google would take them."""
    assert b"\xfb\xff" == decoded("+/8=")
    assert decoded("-_8") is None
    assert b"\xfb\xff" == decoded("-_8", lenient=True)
    assert decoded("no!", lenient=True) is None


def test_a_signature_is_one_realms():
    """What one provider signed is nothing to another."""
    made = sign("text", "n", "claude")
    assert [True, False, False] == [is_signature(made, "text", realm=realm) for realm in ("claude", "gemini", "")]
