import pytest

from llmgw_simulator.faults import Fault
from llmgw_simulator.script import Close, Open, Pace, Send, script, whole_script
from llmgw_simulator.wire import Frame

FRAMES = [Frame(b"aaaa", 1), Frame(b"bb", 2), Frame(b"c")]
BROKEN = {"malformed": b"{", "error": b"!"}


def played(fault=None, pace=None):
    return list(script(FRAMES, pace or Pace(), fault or Fault(), BROKEN))


def shown(steps):
    """The body and the ending."""
    return b"".join(step.data for step in steps if isinstance(step, Send)), steps[-1].how


def test_without_faults_everything_is_sent_at_once():
    """No waits, and an orderly end."""
    expected = [Open(0.0), Send(0.0, b"aaaa"), Send(0.0, b"bb"), Send(0.0, b"c"), Close(0.0)]
    assert expected == played()


def test_time_passes_before_headers_events_and_tokens():
    """Headers after ttft, the first event after thinking too, then each frame when its tokens are made."""
    steps = played(pace=Pace(ttft=1.0, think=10.0, tps=2.0))
    assert [1.0, 11.5, 12.5, 12.5, 12.5] == [step.at for step in steps]


def test_headers_can_wait_for_the_thinking():
    """As with servers that answer only once there is something to say."""
    assert 11.0 == played(pace=Pace(ttft=1.0, think=10.0, late_headers=True))[0].at


@pytest.mark.parametrize(
    ("fault", "body", "ending"),
    [
        (Fault(reset_bytes=0), b"", "reset"),
        (Fault(reset_bytes=5), b"aaaab", "reset"),
        (Fault(fin_bytes=4), b"aaaa", "fin"),
        (Fault(eof_bytes=3), b"aaa", "eof"),
        (Fault(eof_events=0), b"", "eof"),
        (Fault(eof_events=2), b"aaaabb", "eof"),
        (Fault(stall_events=1), b"aaaa", "stall"),
        (Fault(reset_events=1, reset_bytes=2), b"aa", "reset"),
        (Fault(reset_events=1, reset_bytes=6), b"aaaa", "reset"),
        (Fault(reset_bytes=99), b"aaaabbc", "reset"),
        (Fault(malformed_events=1), b"aaaa{bbc", "done"),
        (Fault(error_events=2), b"aaaabb!", "done"),
        (Fault(error_events=1, reset_events=2), b"aaaa!", "reset"),
    ],
)
def test_a_fault_decides_body_and_ending(fault, body, ending):
    """Every cut is exact, to the event and to the byte."""
    assert (body, ending) == shown(played(fault))


def test_a_whole_answer_comes_when_all_its_tokens_are_made():
    """Headers and body together, with the length declared."""
    steps = list(whole_script(b"body", 10, Pace(ttft=1.0, think=2.0, tps=5.0), Fault()))
    assert [Open(5.0, 4), Send(5.0, b"body"), Close(5.0)] == steps


def test_a_whole_answer_that_is_to_look_complete_declares_no_length():
    """Otherwise the client would see that bytes are missing."""
    assert [Open(0.0), Send(0.0, b"bo"), Close(0.0, "eof")] == list(
        whole_script(b"body", 1, Pace(), Fault(eof_bytes=2))
    )


def test_a_fault_overrides_the_pace():
    """Only what it names."""
    assert Pace(ttft=1.0, tps=9.0) == Pace(ttft=1.0, tps=2.0).under(Fault(tps=9.0))
    assert Pace(tps=0.0) == Pace(tps=2.0).under(Fault(tps=0.0))


@pytest.mark.parametrize(
    ("fault", "length"),
    [
        (Fault(), 7),
        (Fault(fin_bytes=2), 7),
        (Fault(eof_bytes=2), None),
        (Fault(malformed_events=1), None),
        (Fault(error_events=1), None),
    ],
)
def test_a_length_is_declared_unless_it_would_be_wrong(fault, length):
    """A body that ends early as if complete, or has frames put in, has none."""
    assert Open(0.0, length) == next(script(FRAMES, Pace(), fault, BROKEN, 7))


def test_a_huge_frame_is_the_first_with_json():
    """It gets the size by blanks, keeps its tokens, and counts as the one event that it is."""
    frames = [Frame(b": hi", 1), Frame(b'data: {"a":1}', 2), Frame(b'data: {"b":2}')]
    steps = list(script(frames, Pace(tps=1.0), Fault(huge_frame=20, eof_events=2), BROKEN))
    assert [Open(0.0), Send(1.0, b": hi"), Send(3.0, b'data:        {"a":1}'), Close(3.0, "eof")] == steps
    assert (b"aaaabbc", "done") == shown(played(Fault(huge_frame=20)))
    assert b'{"a":1}' == list(script([Frame(b'{"a":1}')], Pace(), Fault(huge_frame=3), BROKEN))[1].data
