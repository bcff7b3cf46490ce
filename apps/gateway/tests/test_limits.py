import resource
import subprocess
import sys

import pytest

from llmgw_gateway.limits import most_streams, streams_problem


@pytest.mark.parametrize(("descriptors", "streams"), [(1024, 384), (20_000, 9872), (10, 1)])
def test_a_stream_takes_two_descriptors(descriptors, streams):
    """Beside what the process needs for itself."""
    assert streams == most_streams(descriptors)


def test_more_than_the_process_may_have_is_refused():
    """With both numbers, and what to do."""
    most = most_streams()
    assert [None, None, None] == [streams_problem(n) for n in (None, 1, most)]
    problem = streams_problem(most + 1)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert all(part in problem for part in (str(hard), f"LimitNOFILE={most * 2 + 258}", "ulimit", f"for {most}"))
    assert "must be 1 or more, not 0" == streams_problem(0)


def test_the_process_takes_what_it_may_have():
    """Up to the hard limit, from whatever it was started with."""
    script = (
        "import resource; from llmgw_gateway.limits import raise_descriptors;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 1234)); raise_descriptors();"
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    assert "1234 1234\n" == subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout
