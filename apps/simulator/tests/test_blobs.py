import hashlib

from llmgw_simulator.blobs import BLOCK, Blob


def test_what_is_written_is_read():
    """In blocks, as often as one likes, with its size and digest."""
    blob = Blob()
    data = bytes(range(256)) * 1000
    for at in range(0, len(data), 1000):
        blob.append(data[at : at + 1000])
    assert (data, data) == (b"".join(blob.blocks()), b"".join(blob.blocks()))
    assert max(len(block) for block in blob.blocks()) <= BLOCK
    assert (len(data), hashlib.sha256(data).hexdigest(), data[:10]) == (blob.size, blob.digest, blob.head(10))
    assert "<Blob 256000 bytes>" == repr(blob)


def test_lines_are_whole_over_the_ends_of_blocks():
    """Blank ones are left out, and the last needs no end."""
    long = b"x" * (BLOCK + 5)
    assert [b"a", long, b"b\r"] == list(Blob.of(b"a\n\n" + long + b"\n  \nb\r").lines())
    assert [] == list(Blob().lines())
