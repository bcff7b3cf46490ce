from llmgw_admin import Status


def test_calls_in_flight_are_summed():
    """The total is over all accounts."""
    status = Status(version="1", uptime=0.0, in_flight={"a": 2, "b": 0, "c": 3})
    assert status.total_in_flight == 5
