import errno
import os
import random
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from llmgw_eventstore.spool import Spool, SpoolCursor, SpoolFull, SpoolHeld, SpoolReader
from llmgw_eventstore.spool._folder import segment_numbers, segment_path
from llmgw_eventstore.spool._frames import FRAME_BYTES, HEADER_BYTES

FRAME = FRAME_BYTES + 100
ROOMY = {"segment_bytes": 1 << 20, "max_bytes": 1 << 24, "reserve_bytes": 0}


def payload(number):
    return b"%08d" % number + b"." * 92


def payloads(*numbers):
    return [payload(number) for number in numbers]


def everything(folder):
    """All that a reader finds; damage fails the test."""
    gaps, found, cursor = [], [], SpoolCursor()
    reader = SpoolReader(folder, alarm=gaps.append)
    while (read := reader.read(cursor))[0]:
        found += read[0]
        cursor = read[1]
    assert [] == gaps
    return found


def fill(spool, first=0, **options):
    """Append one payload at a time until the spool is full; returns the number of the first that was refused."""
    while True:
        try:
            spool.append(payloads(first), **options)
        except SpoolFull:
            return first
        first += 1


def test_what_is_appended_can_be_read_at_once(tmp_path):
    """No flush is needed for another process to see it; an empty batch writes nothing."""
    with Spool.open(tmp_path, **ROOMY) as spool:
        spool.append([])
        assert HEADER_BYTES == segment_path(tmp_path, 1).stat().st_size
        spool.append(payloads(1, 2))
        assert payloads(1, 2) == everything(tmp_path)
        assert f"<Spool {tmp_path.name} segment=1 offset=252 used=252>" == repr(spool)


def test_a_folder_has_one_writer(tmp_path):
    """A second one is refused with the first one's process id, in this process too; closing lets it in."""
    first = Spool.open(tmp_path, **ROOMY)
    with pytest.raises(SpoolHeld, match=f"is held by process {os.getpid()}"):
        Spool.open(tmp_path, **ROOMY)
    first.close()
    first.close()
    Spool.open(tmp_path, **ROOMY).close()


def test_a_segment_is_closed_when_it_is_full_or_old(tmp_path):
    """Rotation keeps batches whole, by size and by age; an empty segment is not replaced, however old."""
    now = 0.0
    with Spool.open(
        tmp_path, segment_bytes=HEADER_BYTES + 3 * FRAME, max_bytes=1 << 20, max_age=60.0, clock=lambda: now
    ) as spool:
        now = 1000.0
        for batch in (payloads(1, 2), payloads(3), payloads(4, 5), payloads(6, 7), payloads(*range(8, 20))):
            spool.append(batch)
        assert [1, 2, 3, 4] == segment_numbers(tmp_path)
        now = 1060.0
        spool.append(payloads(20))
        now = 1121.0
        spool.append(payloads(21))
        assert [1, 2, 3, 4, 5, 6] == segment_numbers(tmp_path)
    sizes = [(segment_path(tmp_path, number).stat().st_size - HEADER_BYTES) // FRAME for number in range(1, 7)]
    assert [3, 2, 2, 12, 1, 1] == sizes
    assert payloads(*range(1, 22)) == everything(tmp_path)


def test_a_new_life_begins_a_new_segment(tmp_path):
    """Nothing is written behind what a crash may have left, and numbers go on, also when everything is drained."""
    for number in (1, 2):
        with Spool.open(tmp_path, **ROOMY) as spool:
            spool.append(payloads(number))
    assert [1, 2] == segment_numbers(tmp_path)
    reader = SpoolReader(tmp_path, keep_seconds=0)
    for _ in range(2):
        reader.mark(SpoolCursor(9, HEADER_BYTES))
    with Spool.open(tmp_path, **ROOMY) as spool:
        spool.append(payloads(3))
    assert [10] == segment_numbers(tmp_path)
    assert (payloads(3), SpoolCursor(10, HEADER_BYTES + FRAME)) == reader.read(reader.marked)


def test_a_full_spool_refuses_and_loses_nothing(tmp_path):
    """Its bound holds for the files on the disk; once a segment is drained there is room again."""
    with Spool.open(tmp_path, segment_bytes=1000, max_bytes=4000, reserve_bytes=0) as spool:
        refused = fill(spool)
        assert refused == fill(spool, refused)
        assert payloads(*range(refused)) == everything(tmp_path)
        assert sum(path.stat().st_size for path in tmp_path.glob("*.spool")) <= 4000
        SpoolReader(tmp_path).mark(SpoolCursor(3, HEADER_BYTES))
        spool.append(payloads(refused))
        assert payloads(*range(8, refused + 1)) == everything(tmp_path)


def test_a_refused_batch_is_refused_whole(tmp_path):
    """A batch that does not fit leaves nothing of it, and a smaller one still fits."""
    with Spool.open(tmp_path, segment_bytes=1000, max_bytes=2000, reserve_bytes=0) as spool:
        spool.append(payloads(*range(8)))
        with pytest.raises(SpoolFull, match="see why the store takes nothing, or raise the bound"):
            spool.append(payloads(*range(10, 30)))
        spool.append(payloads(8))
        assert payloads(*range(9)) == everything(tmp_path)


def test_the_reserve_is_for_what_is_under_way(tmp_path):
    """When ordinary appends are refused, urgent ones still are taken, up to the bound."""
    with Spool.open(tmp_path, segment_bytes=1000, max_bytes=5000, reserve_bytes=1000) as spool:
        ordinary = fill(spool)
        urgent = fill(spool, ordinary, urgent=True)
        assert 8 <= urgent - ordinary <= 9
        assert payloads(*range(urgent)) == everything(tmp_path)


def test_the_level_is_an_alarm_before_it_is_full(tmp_path):
    """Low comes while there is still room, drained segments count as room, and the numbers are in bytes."""
    with Spool.open(tmp_path, segment_bytes=1000, max_bytes=8000, reserve_bytes=0) as spool:
        assert (HEADER_BYTES, 8000 - HEADER_BYTES, False) == (spool.level().used, spool.level().room, spool.level().low)
        number = 0
        while not spool.level().low:
            spool.append(payloads(number))
            number += 1
        assert 0 < spool.level().room < 1000
        SpoolReader(tmp_path).mark(SpoolCursor(7, HEADER_BYTES))
        assert not spool.level().low
        assert spool.level().used + spool.level().room == 8000


def test_a_payload_has_a_bound(tmp_path):
    """What could not be read again is not written."""
    with Spool.open(tmp_path, segment_bytes=1 << 20, max_bytes=1 << 30) as spool:
        with pytest.raises(ValueError, match="longer than"):
            spool.append([b"x" * ((64 << 20) + 1)])
        assert [] == everything(tmp_path)


def test_a_spool_of_one_segment_is_a_mistake(tmp_path):
    """The bound must have room for at least two segments: one is written, one is drained."""
    with pytest.raises(ValueError, match="at most half of max_bytes"):
        Spool.open(tmp_path, segment_bytes=1000, max_bytes=1500)


# --- the disk ---------------------------------------------------------------------------------------------------------


def test_a_disk_that_fills_within_a_write(tmp_path, monkeypatch):
    """The part that was written is cut off again, the refusal says why, and the next append is readable."""
    with Spool.open(tmp_path, **ROOMY) as spool:
        spool.append(payloads(1))
        pwrite = os.pwrite
        answers = [lambda *call: pwrite(call[0], call[1][:50], call[2]), no_space]
        monkeypatch.setattr(os, "pwrite", lambda *call: answers.pop(0)(*call) if answers else pwrite(*call))
        with pytest.raises(SpoolFull, match="No space left on device; free the disk"):
            spool.append(payloads(2))
        assert HEADER_BYTES + FRAME == segment_path(tmp_path, 1).stat().st_size
        spool.append(payloads(3))
        assert payloads(1, 3) == everything(tmp_path)


def no_space(*call):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_fails_is_no_full_disk(tmp_path, monkeypatch):
    """Other errors of the disk come through as they are, and leave nothing half-written either."""
    with Spool.open(tmp_path, **ROOMY) as spool:
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", lambda *call: raise_io_error())
            with pytest.raises(OSError, match="Input/output error"):
                spool.append(payloads(1))
        spool.append(payloads(2))
        assert payloads(2) == everything(tmp_path)


def raise_io_error():
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_bound_of_the_system_on_files_is_a_full_disk(tmp_path):
    """With RLIMIT_FSIZE in the middle of a segment, what was acknowledged is there and the rest was refused."""
    limit = 20_000
    script = f"""
        import resource
        from llmgw_eventstore.spool import Spool, SpoolFull
        spool = Spool.open({str(tmp_path)!r}, segment_bytes=1 << 20, max_bytes=1 << 24, reserve_bytes=0)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
        done = 0
        try:
            while True:
                spool.append([b"%08d" % done + b"." * 92])
                done += 1
        except SpoolFull as refusal:
            assert "File too large" in str(refusal), refusal
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        spool.append([b"%08d" % done + b"." * 92])
        print(done)
    """
    done = int(run(script))
    assert (limit - HEADER_BYTES) // FRAME == done
    assert payloads(*range(done + 1)) == everything(tmp_path)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def run(script, *prefix):
    """The output of a script of its own process."""
    lines = "\n".join(line.removeprefix("        ") for line in script.splitlines())
    result = subprocess.run([*prefix, sys.executable, "-c", lines], capture_output=True, text=True, timeout=60)
    assert 0 == result.returncode, result.stderr
    return result.stdout


def may_mount():
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    try:
        return 0 == subprocess.run(command, capture_output=True, timeout=10).returncode
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.mark.skipif(not may_mount(), reason="needs the right to mount a file system")
def test_a_disk_that_is_full(tmp_path):
    """On a file system of 2 MiB: ordinary appends are refused, urgent ones find the ballast, drained room is used."""
    script = f"""
        import os, subprocess
        from llmgw_eventstore.spool import Spool, SpoolCursor, SpoolFull, SpoolReader
        folder = {str(tmp_path)!r}
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], check=True)
        spool = Spool.open(folder, segment_bytes=200_000, max_bytes=1 << 24, reserve_bytes=400_000)

        def fill(first, **options):
            while True:
                try:
                    spool.append([b"%08d" % first + b"." * 992], **options)
                except SpoolFull as refusal:
                    assert "No space left on device" in str(refusal), refusal
                    return first
                first += 1

        def everything(folder):
            gaps, found, cursor = [], [], SpoolCursor()
            reader = SpoolReader(folder, alarm=gaps.append)
            while (read := reader.read(cursor))[0]:
                found += [int(item[:8]) for item in read[0]]
                cursor = read[1]
            assert gaps == [], gaps
            return found

        ordinary = fill(0)
        assert spool.level().low
        urgent = fill(ordinary, urgent=True)
        assert everything(folder) == list(range(urgent)), "what was acknowledged"
        SpoolReader(folder).mark(SpoolCursor(4, 28))
        more = fill(urgent)
        found = everything(folder)
        assert found == list(range(found[0], more))
        SpoolReader(folder).mark(SpoolCursor(spool._number, 28))
        spool.append([b"%08d" % more], urgent=False)
        assert not os.path.exists(folder + "/ballast")
        SpoolReader(folder, keep_seconds=0).mark(SpoolCursor(spool._number, 29))
        spool.sync()
        assert os.path.getsize(folder + "/ballast") == 400_000
        spool.close()
        print(ordinary, urgent, more)
    """
    ordinary, urgent, more = map(int, run(script, "unshare", "--mount").split())
    assert 1_400 < ordinary < 1_700
    assert 300 < urgent - ordinary < 420
    assert 500 < more - urgent < 650


# --- crashes ----------------------------------------------------------------------------------------------------------

WRITER = """
import sys
from llmgw_eventstore.spool import Spool
folder, first = sys.argv[1], int(sys.argv[2])
spool = Spool.open(folder, segment_bytes=30_000, max_bytes=1 << 28)
out = open(1, "wb", buffering=0)
while True:
    batch = [b"%08d" % number + b"." * 92 for number in range(first, first + first % 7 + 1)]
    spool.append(batch)
    first += len(batch)
    out.write(b"%08d\\n" % first)
    if first % 11 == 0:
        spool.sync()
"""


def killed_writer(folder, first, after):
    """Kill a writer once it has acknowledged `after` payloads or more; returns how many it had acknowledged."""
    command = [sys.executable, "-c", WRITER, str(folder), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        acknowledged = first
        while acknowledged < first + after:
            acknowledged = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().splitlines()
    return max([acknowledged, *(int(line) for line in rest if len(line) == 8)])


def kill_again_and_again(folder, times, chance):
    written = 0
    for _ in range(times):
        acknowledged = killed_writer(folder, written, chance.randrange(1, 3000))
        found = everything(folder)
        assert [payload(number) for number in range(len(found))] == found
        assert acknowledged <= len(found)
        written = len(found)


def test_a_writer_that_is_killed_has_lost_nothing(tmp_path):
    """Everything that was acknowledged before a SIGKILL is there, in order, and a new writer goes on behind it."""
    kill_again_and_again(tmp_path, 6, random.Random(1))


@pytest.mark.slow
def test_a_writer_that_is_killed_a_hundred_times_has_lost_nothing(tmp_path):
    """The same, at a hundred random moments."""
    kill_again_and_again(tmp_path, 100, random.Random(2))


def test_a_crash_while_a_segment_begins_leaves_no_segment(tmp_path):
    """A segment without its name is no segment: the next writer takes its number."""
    Path(tmp_path / "000000000001.new").write_bytes(b"half a hea")
    with Spool.open(tmp_path, **ROOMY) as spool:
        spool.append(payloads(1))
    assert ([1], payloads(1)) == (segment_numbers(tmp_path), everything(tmp_path))


# --- flushing ---------------------------------------------------------------------------------------------------------


def test_a_sync_flushes_files_and_their_folder(tmp_path, monkeypatch):
    """Closed segments and the current one are flushed, the folder when a segment began, and files are closed once."""
    flushed = []
    with Spool.open(tmp_path, segment_bytes=1000, max_bytes=1 << 20, reserve_bytes=0) as spool:
        monkeypatch.setattr(
            os, "fdatasync", lambda file: flushed.append(Path(os.readlink(f"/proc/self/fd/{file}")).name)
        )
        monkeypatch.setattr(os, "fsync", lambda file: flushed.append("folder"))
        for number in range(20):
            spool.append(payloads(number))
        spool.sync()
        assert ["folder", *(f"{number:012d}.spool" for number in (1, 2, 3))] == flushed
        flushed.clear()
        spool.append(payloads(20))
        spool.sync()
        assert ["000000000003.spool"] == flushed


def test_open_files_are_bounded_without_a_sync(tmp_path):
    """A caller that never syncs gathers no descriptors."""
    with Spool.open(tmp_path, segment_bytes=200, max_bytes=1 << 24, reserve_bytes=0) as spool:
        before = len(os.listdir("/proc/self/fd"))
        for number in range(100):
            spool.append(payloads(number))
        assert len(os.listdir("/proc/self/fd")) <= before + 9


def test_a_failing_flush_is_told(tmp_path, monkeypatch):
    """The error comes through, and no descriptor is left open by it."""
    with Spool.open(tmp_path, segment_bytes=200, max_bytes=1 << 20, reserve_bytes=0) as spool:
        before = len(os.listdir("/proc/self/fd"))
        for number in range(4):
            spool.append(payloads(number))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", lambda file: raise_io_error())
            with pytest.raises(OSError, match="Input/output error"):
                spool.sync()
        assert before == len(os.listdir("/proc/self/fd"))


def test_a_sync_beside_appends(tmp_path):
    """Flushing in a thread while the loop appends and rotates neither fails nor loses anything."""
    with Spool.open(tmp_path, segment_bytes=2000, max_bytes=1 << 24, reserve_bytes=0) as spool:
        stop, failures = threading.Event(), []

        def flush():
            try:
                while not stop.is_set():
                    spool.sync()
            except OSError as error:
                failures.append(error)

        threads = [threading.Thread(target=flush) for _ in range(2)]
        for thread in threads:
            thread.start()
        for number in range(2000):
            spool.append(payloads(number))
        stop.set()
        for thread in threads:
            thread.join()
    assert ([], payloads(*range(2000))) == (failures, everything(tmp_path))


# --- figures ----------------------------------------------------------------------------------------------------------


@pytest.mark.bench
def test_what_an_append_and_a_read_cost(tmp_path, capsys):
    """Microseconds for one event of 600 bytes, and events read in a second."""
    from time import perf_counter

    event, count = [b"x" * 600], 100_000
    with Spool.open(tmp_path) as spool:
        began = perf_counter()
        for _ in range(count):
            spool.append(event)
        appended = perf_counter() - began
        began = perf_counter()
        for _ in range(1000):
            spool.level()
        level = perf_counter() - began
        spool.sync()
    began = perf_counter()
    found = len(everything(tmp_path))
    read = perf_counter() - began
    with capsys.disabled():
        print(
            f"\nappend {appended / count * 1e6:.1f} us, level {level / 1000 * 1e6:.0f} us, "
            f"read {found / read:,.0f} events/s"
        )
    assert count == found
