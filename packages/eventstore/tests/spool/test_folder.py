import pytest

from llmgw_eventstore.spool import LaterFormat, SpoolCursor, SpoolError
from llmgw_eventstore.spool._folder import (
    load_mark,
    previous_end,
    remove_segment,
    save_mark,
    segment_numbers,
    segment_path,
    segment_sizes,
    sync_folder,
)
from llmgw_eventstore.spool._frames import pack_header


def test_segments_are_found_by_their_names(tmp_path):
    """Only finished segments count, in the order of their numbers, however they are listed."""
    for number in (10, 2, 1_000_000_000_000):
        segment_path(tmp_path, number).write_bytes(b"x" * number if number < 100 else b"")
    for other in ("lock", "mark", "000000000003.new", "copy.spool"):
        (tmp_path / other).write_bytes(b"?")
    assert [2, 10, 1_000_000_000_000] == segment_numbers(tmp_path)
    assert {2: 2, 10: 10, 1_000_000_000_000: 0} == segment_sizes(tmp_path)
    remove_segment(tmp_path, 2)
    remove_segment(tmp_path, 2)
    assert [10, 1_000_000_000_000] == list(segment_sizes(tmp_path))


def test_a_mark_is_kept(tmp_path):
    """What is saved is loaded; no mark, and one that is cut short or damaged, are the beginning."""
    assert SpoolCursor() == load_mark(tmp_path)
    for cursor in (SpoolCursor(2**40, 77), SpoolCursor(3, 2**33)):
        save_mark(tmp_path, cursor)
        assert cursor == load_mark(tmp_path)
    whole = (tmp_path / "mark").read_bytes()
    for damaged in (b"", whole[:-1], bytes(len(whole)), whole[:3] + b"?" + whole[4:]):
        (tmp_path / "mark").write_bytes(damaged)
        assert SpoolCursor() == load_mark(tmp_path)
    sync_folder(tmp_path)


def test_what_a_segment_says_of_the_one_before(tmp_path):
    """Its header has the end of its predecessor; no file and a damaged header have not."""
    path = segment_path(tmp_path, 5)
    assert previous_end(tmp_path, 5) is None
    path.write_bytes(pack_header(5, 1234))
    assert 1234 == previous_end(tmp_path, 5)
    path.write_bytes(b"\0" * 100)
    assert previous_end(tmp_path, 5) is None


def test_a_later_format_is_refused(tmp_path, monkeypatch):
    """A segment of a later release is left to that release, and the error says so."""
    monkeypatch.setattr("llmgw_eventstore.spool._frames.MAGIC", b"llmgwsp2")
    segment_path(tmp_path, 5).write_bytes(pack_header(5, 0))
    with pytest.raises(LaterFormat, match=r"has the format b'llmgwsp2'") as refusal:
        previous_end(tmp_path, 5)
    assert isinstance(refusal.value, SpoolError)
