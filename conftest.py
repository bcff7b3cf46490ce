"""What holds for every test: whom its processes trust, that no example is timed, and who shares a parallel worker."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Each TLS context of a client loads the authorities to trust, and a system's take 20 ms of a processor: more than the
# rest of a gateway's start, and every SDK has its own. No test leaves this machine, so none of them is needed but one,
# which has no key. The variable is OpenSSL's own, and reaches the processes that get the tests' environment.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "tests" / "authority.pem")

# How long one example takes says more about what else a machine does.
_given = settings.get_profile(settings.get_current_profile_name())
settings.register_profile("untimed", _given, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

LONG = ("tests/state/", "tests/faults/", "tests/process/", "tests/clients/", "tests/")
"""Where tests take long, the longest first. They are begun first, so that no worker is left alone with them."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a worker is given at a time (`--dist loadgroup`): a file, whose tests share their servers, or tests/state as
    a whole, since each test of it starts half a dozen processes that must keep up with its clients."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    items.sort(key=lambda item: [not item.nodeid.startswith(place) for place in LONG])
    for item in items:
        together = LONG[0] if item.nodeid.startswith(LONG[0]) else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(together))
