from llmgw_postgres.config import PostgresConfig


def test_the_defaults_have_no_problems():
    """A gateway without a [database] table starts."""
    assert {} == PostgresConfig().problems()


def test_what_makes_no_sense_is_named_by_its_field():
    """Counts below one and times that are not above zero are told with their value."""
    wrong = PostgresConfig(write_connections=0, poll_seconds=0.0, append_seconds=float("inf")).problems()
    assert {
        "write_connections": "must be 1 or more, not 0",
        "poll_seconds": "must be more than 0 seconds, not 0.0",
        "append_seconds": "must be more than 0 seconds, not inf",
    } == wrong


def test_the_repr_shows_no_address():
    """Addresses hold passwords, and configurations are logged."""
    config = PostgresConfig(url="postgresql://gw:canary@db/gw", replicas=("postgresql://gw:canary@r/gw",))
    assert "PostgresConfig(url=given, replicas=1)" == repr(config)
    assert "PostgresConfig(url=embedded, replicas=0)" == str(PostgresConfig())
