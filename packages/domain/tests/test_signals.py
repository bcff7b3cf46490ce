from llmgw_domain.signals import Signal


def test_a_signal_is_a_value() -> None:
    """Equal by what it says, so tables of expected signals can be compared."""
    said = Signal(verdict="pause", whole=False, seconds=3.0, reason="tokens")
    assert said == Signal(verdict="pause", whole=False, seconds=3.0, reason="tokens")
    assert said != Signal(verdict="pause", whole=True, seconds=3.0, reason="tokens")
