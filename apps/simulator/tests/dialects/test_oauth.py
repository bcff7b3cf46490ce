from urllib.parse import urlencode

import msgspec
import pytest

from llmgw_simulator.config import SimulatorConfig
from llmgw_simulator.service import Service
from llmgw_simulator.testing import incoming_of


def answered(body, headers=None):
    service = Service(SimulatorConfig())
    entry, performance = service.receive(incoming_of("/token", urlencode(body).encode(), headers or {}))
    return entry, performance.status, msgspec.json.decode(list(performance.steps)[1].data)


def test_a_refused_grant_is_told_in_oauths_form():
    """With the code that clients branch on."""
    entry, status, body = answered({"grant_type": "password"})
    expected = {"error": "unsupported_grant_type", "error_description": "Invalid grant_type: password"}
    assert (400, expected) == (status, body)
    assert ("oauth", "") == (entry.dialect, entry.model)


@pytest.mark.parametrize(
    ("status", "code"), [(400, "invalid_grant"), (429, "rate_limit_exceeded"), (502, "server_error")]
)
def test_faults_have_oauths_form_too(status, code):
    """For tests of what a gateway does when it gets no token."""
    _, found, body = answered({}, {"x-sim-fault": f"status={status}"})
    assert (status, code) == (found, body["error"])
