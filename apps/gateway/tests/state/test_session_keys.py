import logging

from llmgw_affinity.carriers import Carried
from llmgw_control import Replica, Unrevealed
from llmgw_crdt import Clock
from llmgw_domain import Secret
from llmgw_gateway.state.session_keys import SessionSecret

NAME = Carried("x-session-id", "s1")


def written(replica: Replica, value: str) -> None:
    replica.map.write(Clock("n").tick(5.0), "secret", "session", {"value": value})


def test_the_keys_come_with_the_secret(caplog):
    """Until the state has it there are none; another one makes others."""
    replica = Replica("n")
    secret = SessionSecret(replica, lambda sealed: Secret(f"opened {sealed}"))
    assert secret() is None
    written(replica, "sealed:1")
    first = secret().session("t", "m", NAME)
    assert first == secret().session("t", "m", NAME)
    written(replica, "sealed:2")
    assert first != secret().session("t", "m", NAME)


def test_what_can_not_be_opened_pins_nothing(caplog):
    """It is told once, not with every call."""
    replica = Replica("n")

    def reveal(sealed: str) -> Secret:
        raise Unrevealed("the master key is another")

    secret = SessionSecret(replica, reveal)
    written(replica, "sealed:1")
    with caplog.at_level(logging.ERROR):
        assert [None, None] == [secret(), secret()]
    assert 1 == len(caplog.records)
