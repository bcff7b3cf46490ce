import pytest

from llmgw_domain.keys import StreamErrors
from llmgw_relay.endings import stream_errors

FINISH, RAISE, STRICT = StreamErrors
OPENCODE = "opencode/1.18.33 ai-sdk/provider-utils/4.0.46 runtime/bun/1.3.14"


@pytest.mark.parametrize(
    ("wish", "policy", "default", "user_agent", "expected"),
    [
        (STRICT, FINISH, RAISE, OPENCODE, STRICT),
        (None, FINISH, STRICT, OPENCODE, FINISH),
        (None, None, STRICT, OPENCODE, STRICT),
        (None, None, FINISH, OPENCODE, RAISE),
        (FINISH, None, FINISH, OPENCODE, FINISH),
        (None, None, FINISH, "OpenAI/Python 3.54.0", FINISH),
        (None, None, FINISH, "", FINISH),
    ],
)
def test_who_has_the_word(wish, policy, default, user_agent, expected):
    """The call, then the key's policy, then what a client that loops needs, then the gateway's default."""
    assert expected is stream_errors(wish, policy, default, user_agent)
