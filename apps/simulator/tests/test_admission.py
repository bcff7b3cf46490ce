import msgspec
import pytest

from llmgw_simulator.accounts import Setting
from llmgw_simulator.admission import Admission
from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.dialects.chat import Chat
from llmgw_simulator.dialects.messages import Messages
from llmgw_simulator.faults import Fault
from llmgw_simulator.testing import KEYS, incoming_of, request_of
from llmgw_simulator.wire import Refusal

CHAT, MESSAGES = Chat(), Messages()
LONG = "word " * 2000


def of(*settings, **more):
    return Admission(SimulatorConfig(accounts=tuple(Setting(credential="*", **each) for each in settings), **more))


def asked(dialect=CHAT, text="Hello", now=1e9, **more):
    """A request that has come, and what it asks."""
    path, body = request_of(dialect.name, text, **more)
    incoming = incoming_of(path, body, KEYS[dialect.name])
    incoming = msgspec.structs.replace(incoming, owner="key-1", now=now)
    return incoming, dialect.parse(incoming)


def let_in(admission, dialect=CHAT, in_flight=1, **more):
    incoming, parsed = asked(dialect, **more)
    return admission.let_in(dialect, incoming, parsed, in_flight)


def test_a_limit_is_counted_and_then_refuses():
    """A request that was refused does not count."""
    admission = of({"requests_per_minute": 1})
    let_in(admission)
    for _ in range(3):
        with pytest.raises(Refusal, match="Please try again in 1m0s"):
            let_in(admission)
    let_in(admission, now=1e9 + 60)


def test_a_refused_prompt_is_not_kept():
    """Only one that was let in warms the cache."""
    admission = of({"concurrency": 1})
    with pytest.raises(Refusal):
        let_in(admission, text=LONG, in_flight=2)
    assert [0, True] == [let_in(admission, text=LONG).read, let_in(admission, text=LONG).read > 0]


def test_what_was_read_is_free_where_the_provider_says_so():
    """Anthropic counts neither reads; OpenAI counts them, and reserves the answer's limit beforehand."""
    cached = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    claude = of({"tokens_per_minute": 5000})
    for _ in range(3):
        let_in(claude, MESSAGES, system=cached)
    gpt = of({"tokens_per_minute": 5000})
    let_in(gpt, text=LONG, max_completion_tokens=2000)
    with pytest.raises(Refusal, match="Used 4"):
        let_in(gpt, text=LONG)


def test_answers_count_when_they_are_known():
    """Against their own allowance."""
    admission = of({"output_tokens_per_minute": 100})
    let_in(admission)
    admission.answered(asked()[0], 100)
    with pytest.raises(Refusal):
        let_in(admission)


def test_what_is_left_is_shown():
    """By what limits the credential has; without any there is nothing to show."""
    admission = of({"requests_per_minute": 60})
    let_in(admission)
    meter = admission.standing(asked()[0]).standing["requests"]
    assert (60, 59, 1) == (meter.limit, meter.remaining, meter.reset)
    assert of().standing(asked()[0]).standing is None


@pytest.mark.parametrize(("real", "expected"), [(False, 60.0), (True, 6.0)])
def test_times_pass_faster_and_are_told_in_either_seconds(real, expected):
    """The minute of a limit, and a cache's life."""
    admission = of({"requests_per_minute": 1}, time_scale=10.0, tells_real_seconds=real)
    let_in(admission)
    with pytest.raises(Refusal) as refused:
        let_in(admission)
    assert expected == refused.value.retry_after
    let_in(admission, now=1e9 + 6.0)


def test_caches_live_as_much_shorter():
    """Ten minutes are one, at ten times the pace."""
    admission = of(time_scale=10.0)
    assert [False, True, False] == [let_in(admission, text=LONG, now=1e9 + at).read > 0 for at in (0, 59, 120)]


def test_trouble_is_a_fault_for_its_time():
    """A 429 says how long it lasts; a reset has no answer."""
    admission, incoming = of(), asked()[0]
    admission.set(Setting(credential="*", down=429, seconds=30.0), 1e9 - 10)
    assert Fault(status=429, retry_after=20.0) == admission.trouble(incoming)
    admission.set(Setting(credential="*", down=503), 1e9)
    assert Fault(status=503) == admission.trouble(incoming)
    assert not admission.is_reset("key-1", 1e9)
    admission.set(Setting(credential="*", down="reset"), 1e9)
    assert (Fault(reset=True), True) == (admission.trouble(incoming), admission.is_reset("key-1", 1e9))
    admission.set(Setting(credential="*", down=None), 1e9)
    assert admission.trouble(incoming) is None
