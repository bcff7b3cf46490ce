import errno
import logging
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_eventstore.spool import Gap, LaterFormat, Spool, SpoolCursor, SpoolReader, _reader
from llmgw_eventstore.spool._folder import segment_numbers, segment_path
from llmgw_eventstore.spool._frames import FRAME_BYTES, HEADER_BYTES, pack_header

SMALL = {"segment_bytes": 200, "max_bytes": 1 << 20, "reserve_bytes": 0}
"""Segments of about three of the payloads below."""


def payload(number):
    return b"payload %06d " % number + b"." * 30


def payloads(*numbers):
    return [payload(number) for number in numbers]


def write(folder, *batches, **options):
    """One life of a writer that appends these batches."""
    with Spool.open(folder, **{**SMALL, **options}) as spool:
        for batch in batches:
            spool.append(batch)


def drain(reader, after=None, max_bytes=1 << 20):
    found, cursor = [], after or SpoolCursor()
    while True:
        got, cursor = reader.read(cursor, max_bytes)
        if not got:
            return found, cursor
        found += got


def damage(path, position, change=0xFF):
    data = bytearray(path.read_bytes())
    data[position] ^= change
    path.write_bytes(data)


@pytest.fixture
def gaps():
    return []


@pytest.fixture
def reader(tmp_path, gaps):
    return SpoolReader(tmp_path, alarm=gaps.append)


def test_the_latest_is_some_whole_segments(tmp_path, reader, gaps):
    """As many of the newest as are small enough together, and the newest in any case."""
    assert SpoolCursor() == reader.latest(1000)
    write(tmp_path, *(payloads(number) for number in range(12)))
    numbers = segment_numbers(tmp_path)
    assert len(numbers) >= 4
    everything, _ = drain(reader)
    sizes = {number: segment_path(tmp_path, number).stat().st_size for number in numbers}
    two = sizes[numbers[-1]] + sizes[numbers[-2]]
    assert [SpoolCursor(numbers[-1]), SpoolCursor(numbers[-2]), SpoolCursor(numbers[0])] == [
        reader.latest(0),
        reader.latest(two),
        reader.latest(1 << 20),
    ]
    some, _ = drain(reader, reader.latest(two))
    assert everything[-len(some) :] == some
    assert 0 < len(some) < len(everything)
    assert [] == gaps


def test_a_reader_follows_its_writer(tmp_path, reader, gaps):
    """Each read gives what was appended since, over rotations and over a new life of the writer."""
    with Spool.open(tmp_path, **SMALL) as spool:
        assert ([], SpoolCursor(1, HEADER_BYTES)) == reader.read(SpoolCursor())
        cursor = SpoolCursor()
        for number in range(20):
            spool.append(payloads(number))
            got, cursor = reader.read(cursor)
            assert payloads(number) == got
        assert ([], cursor) == reader.read(cursor)
    write(tmp_path, payloads(20, 21))
    assert payloads(20, 21) == drain(reader, cursor)[0]
    assert [] == gaps


@pytest.mark.parametrize("max_bytes", [0, 1, FRAME_BYTES, 60, 150, 1 << 20])
def test_reads_of_any_size_give_the_same(tmp_path, reader, gaps, max_bytes):
    """A frame that is longer than what was asked for is read all the same, so a reader always gets on."""
    batches = [payloads(number, number + 1) for number in range(0, 20, 2)]
    write(tmp_path, *batches, [b"x" * 1000], payloads(99))
    expected = [*payloads(*range(20)), b"x" * 1000, *payloads(99)]
    assert expected == drain(reader, max_bytes=max_bytes)[0]
    assert [] == gaps


@given(
    lives=st.lists(st.lists(st.lists(st.binary(max_size=80), max_size=4), max_size=4), min_size=1, max_size=3),
    segment_bytes=st.integers(1, 400),
    max_bytes=st.integers(1, 400),
)
def test_any_split_into_batches_segments_and_lives_reads_back_the_same(lives, segment_bytes, max_bytes):
    """However appends are cut, segments rotated and writers restarted, payloads come back in order, without gaps."""
    with tempfile.TemporaryDirectory() as folder:
        for life in lives:
            write(folder, *life, segment_bytes=segment_bytes)
        gaps = []
        found, _ = drain(SpoolReader(folder, alarm=gaps.append), max_bytes=max_bytes)
        assert ([item for life in lives for batch in life for item in batch], []) == (found, gaps)


def is_subsequence(found, written):
    rest = iter(written)
    return all(item in rest for item in found)


@given(st.integers(1, 12), st.data())
def test_a_changed_byte_costs_one_frame_and_is_said(count, data):
    """Whatever byte changes, what is read was written, all but at most one payload, and a loss is a gap."""
    written = payloads(*range(count))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, *([item] for item in written))
        path = segment_path(folder, data.draw(st.sampled_from(segment_numbers(folder))))
        damage(path, data.draw(st.integers(0, path.stat().st_size - 1)), data.draw(st.integers(1, 255)))
        write(folder)
        gaps = []
        found, _ = drain(SpoolReader(folder, alarm=gaps.append))
        assert is_subsequence(found, written)
        assert len(written) - 1 <= len(found)
        # A length that now points behind the end of the last segment can't be told from a write that was cut off.
        assert gaps or len(found) == len(written) or found == written[:-1]


@given(st.integers(1, 12), st.integers(0, 2000))
def test_a_writer_cut_short_leaves_a_prefix_of_its_last_segment(count, cut):
    """Cut the last segment anywhere, as a crash does: what is whole is read, and it is no alarm."""
    written = payloads(*range(count))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, *([item] for item in written))
        path = segment_path(folder, segment_numbers(folder)[-1])
        content = path.read_bytes()
        path.write_bytes(content[: cut % (len(content) + 1)])
        gaps = []
        reader = SpoolReader(folder, alarm=gaps.append)
        before, cursor = drain(reader)
        write(folder, payloads(99))
        after, _ = drain(reader, cursor)
        assert written[: len(before)] == before
        assert (payloads(99), []) == (after, gaps)


@pytest.mark.parametrize("tail", [b"\0" * 50, b"\xfe", b"\xfelg\xff\x10\0\0\0", b"\xfelg\xff\x10\0\0\0ABCDhalf"])
def test_what_a_crash_left_behind_is_read_around(tmp_path, reader, gaps, tail):
    """While the segment is the last one it means that nothing more is there; after a restart it is passed over."""
    write(tmp_path, payloads(1, 2))
    path = segment_path(tmp_path, 1)
    path.write_bytes(path.read_bytes() + tail)
    found, cursor = drain(reader)
    write(tmp_path, payloads(3))
    assert (payloads(1, 2), payloads(3), []) == (found, drain(reader, cursor)[0], gaps)


def test_garbage_behind_the_last_frame_is_said_and_read_around(tmp_path, reader, gaps):
    """Bytes that no writer wrote may stand where events were: the alarm says how many, and reading goes on."""
    write(tmp_path, payloads(1))
    path = segment_path(tmp_path, 1)
    path.write_bytes(path.read_bytes() + b"garbage " * 8)
    write(tmp_path, payloads(2))
    assert payloads(1, 2) == drain(reader)[0]
    end = HEADER_BYTES + FRAME_BYTES + len(payload(1))
    assert [Gap(str(path), end, 64, "it is damaged up to the segment's end")] == gaps


def test_damage_in_the_middle_is_said_and_the_rest_is_read(tmp_path, reader, gaps):
    """The gap names the file, the place and the size of what is lost; the frames behind it are read."""
    write(tmp_path, payloads(1, 2, 3), segment_bytes=400)
    write(tmp_path, payloads(4))
    frame = FRAME_BYTES + len(payload(2))
    damage(segment_path(tmp_path, 1), HEADER_BYTES + frame + 20)
    assert payloads(1, 3, 4) == drain(reader)[0]
    expected = Gap(str(segment_path(tmp_path, 1)), HEADER_BYTES + frame, frame, "it is damaged; what follows is read")
    assert [expected] == gaps


def test_a_segment_cut_short_is_said(tmp_path, reader, gaps):
    """A closed segment that lost its end, even between two frames, is noticed by what its successor says of it."""
    write(tmp_path, payloads(1, 2), payloads(3, 4))
    path = segment_path(tmp_path, 1)
    frame = FRAME_BYTES + len(payload(2))
    path.write_bytes(path.read_bytes()[:-frame])
    assert payloads(1, 3, 4) == drain(reader)[0]
    assert [Gap(str(path), HEADER_BYTES + frame, frame, "the file is cut short")] == gaps


def test_a_missing_segment_is_said(tmp_path, reader, gaps):
    """A hole in the numbers of what is not drained is an alarm."""
    write(tmp_path, payloads(1, 2), payloads(3, 4), payloads(5, 6))
    segment_path(tmp_path, 2).unlink()
    assert payloads(1, 2, 5, 6) == drain(reader)[0]
    assert [Gap(str(segment_path(tmp_path, 2)), 0, 0, "the segment is missing")] == gaps


def test_a_damaged_header_is_said_and_costs_nothing(tmp_path, reader, gaps):
    """Frames do not depend on their header, nor does the segment before it."""
    write(tmp_path, payloads(1, 2), payloads(3, 4))
    damage(segment_path(tmp_path, 2), 10)
    assert payloads(1, 2, 3, 4) == drain(reader)[0]
    assert [Gap(str(segment_path(tmp_path, 2)), 0, HEADER_BYTES, "its header is damaged")] == gaps


def test_a_later_format_stops_the_reader(tmp_path, reader, monkeypatch):
    """What this release can't read is kept for the one that can."""
    write(tmp_path, payloads(1))
    with monkeypatch.context() as patch:
        patch.setattr("llmgw_eventstore.spool._frames.MAGIC", b"llmgwsp2")
        segment_path(tmp_path, 2).write_bytes(pack_header(2, 0))
    with pytest.raises(LaterFormat):
        drain(reader)


def test_an_alarm_is_logged_unless_it_goes_elsewhere(tmp_path, caplog):
    """Nothing is lost in silence: the default alarm is an error in the log."""
    write(tmp_path, payloads(1, 2), payloads(3, 4))
    damage(segment_path(tmp_path, 1), HEADER_BYTES + 20)
    with caplog.at_level(logging.ERROR):
        assert payloads(2, 3, 4) == drain(SpoolReader(tmp_path))[0]
    assert "000000000001.spool: 57 bytes at 28 are lost" in caplog.text


def test_a_mark_outlives_its_reader(tmp_path, reader):
    """A later reader goes on from the mark; it never goes back."""
    assert SpoolCursor() == reader.marked
    write(tmp_path, payloads(1, 2), payloads(3, 4))
    got, cursor = reader.read(SpoolCursor())
    assert payloads(1, 2) == got
    reader.mark(cursor)
    reader.mark(SpoolCursor())
    again = SpoolReader(tmp_path)
    assert payloads(3, 4) == drain(again, again.marked)[0]
    assert 2 * (FRAME_BYTES + len(payload(1))) + HEADER_BYTES == again.backlog()
    assert f"<SpoolReader {tmp_path.name} drained to 1:142>" == repr(again)


def test_drained_segments_are_kept_for_a_while(tmp_path):
    """The time counts from when a segment was drained, over restarts of the reader, not from when it was written."""
    write(tmp_path, payloads(1, 2), payloads(3, 4), payloads(5, 6))
    for at, marks, kept in ((1000, 2, [1, 2, 3]), (1899, 3, [1, 2, 3]), (1900, 3, [2, 3]), (2799, 3, [3])):
        SpoolReader(tmp_path, keep_seconds=900, wall=lambda at=at: at).mark(SpoolCursor(marks, HEADER_BYTES))
        assert kept == segment_numbers(tmp_path)


def test_a_clock_set_back_keeps_no_segment_for_ever(tmp_path):
    """A time of draining that lies ahead is taken for now."""
    write(tmp_path, payloads(1, 2), payloads(3, 4))
    now = 1_000_000.0
    reader = SpoolReader(tmp_path, keep_seconds=900, wall=lambda: now)
    reader.mark(SpoolCursor(2, HEADER_BYTES))
    now = 1000.0
    reader.mark(SpoolCursor(2, HEADER_BYTES))
    now = 1900.0
    reader.mark(SpoolCursor(2, HEADER_BYTES))
    assert [2] == segment_numbers(tmp_path)


def test_what_is_kept_can_be_offered_again(tmp_path, reader, gaps):
    """After `rewind` everything kept is undrained, also for a reader that starts anew, and its time begins anew."""
    write(tmp_path, payloads(1, 2), payloads(3, 4))
    _, cursor = drain(reader)
    reader.mark(cursor)
    assert 0 == reader.backlog()
    begin = reader.rewind()
    assert payloads(1, 2, 3, 4) == drain(SpoolReader(tmp_path, alarm=gaps.append), begin)[0]
    assert begin == SpoolReader(tmp_path).marked
    assert [] == gaps


def test_a_rewind_outlasts_what_was_under_way(tmp_path, reader):
    """A batch that was read before the rewind and is marked after it moves nothing; what is read from there does."""
    write(tmp_path, payloads(1, 2), payloads(3, 4))
    _, under_way = drain(reader)
    begin = reader.rewind()
    reader.mark(under_way)
    assert begin == reader.marked
    _, cursor = drain(reader, reader.marked)
    reader.mark(cursor)
    assert under_way == reader.marked


def test_segments_that_went_since_are_no_alarm(tmp_path, gaps):
    """A reader that comes with an old cursor finds drained segments gone, and reads on with what is there."""
    write(tmp_path, payloads(1, 2), payloads(3, 4))
    reader = SpoolReader(tmp_path, keep_seconds=0, alarm=gaps.append)
    for _ in range(2):
        reader.mark(SpoolCursor(2, HEADER_BYTES))
    assert [2] == segment_numbers(tmp_path)
    assert payloads(3, 4) == drain(reader, SpoolCursor(1, HEADER_BYTES))[0]
    assert [] == gaps


def test_a_mark_finds_room_on_a_full_disk(tmp_path, reader, monkeypatch):
    """Where even the mark has no room, what is drained goes before its time; other errors come through."""
    write(tmp_path, payloads(1, 2), payloads(3, 4))
    save, errors = _reader.save_mark, [errno.EIO, errno.ENOSPC]

    def full_at_first(*call):
        if errors:
            raise OSError(errors.pop(0), "refused")
        save(*call)

    monkeypatch.setattr(_reader, "save_mark", full_at_first)
    with pytest.raises(OSError, match="refused"):
        reader.mark(SpoolCursor(2, HEADER_BYTES))
    assert [1, 2] == segment_numbers(tmp_path)
    reader.mark(SpoolCursor(2, HEADER_BYTES))
    assert ([2], SpoolCursor(2, HEADER_BYTES)) == (segment_numbers(tmp_path), reader.marked)


@pytest.mark.slow
def test_random_damage_never_makes_an_event(tmp_path):
    """Three thousand spools with bursts of damage: every payload that is read was written, in order."""
    chance = random.Random(5)
    for turn in range(3_000):
        folder = tmp_path / str(turn % 50)
        if folder.exists():
            for path in folder.iterdir():
                path.unlink()
        written = payloads(*range(chance.randrange(1, 30)))
        write(folder, *([item] for item in written))
        for _ in range(chance.randrange(4)):
            path = segment_path(folder, chance.choice(segment_numbers(folder)))
            data = bytearray(path.read_bytes())
            start = chance.randrange(len(data))
            size = min(chance.randrange(1, 60), len(data) - start)
            data[start : start + size] = chance.choice([bytes(size), chance.randbytes(size), data[:size]])
            path.write_bytes(data)
        write(folder)
        gaps = []
        found, _ = drain(SpoolReader(folder, alarm=gaps.append))
        assert is_subsequence(found, written)
        assert gaps or len(written) - len(found) <= 3
