from importlib import resources

import pytest

from llmgw_postgres.queries import queries, query

FILES = sorted(file.name.removesuffix(".sql") for file in resources.files("llmgw_postgres").joinpath("sql").iterdir())


@pytest.mark.parametrize("file", FILES)
def test_every_file_is_made_of_named_queries(file):
    """A file begins with a name, and no two queries share one."""
    text = resources.files("llmgw_postgres").joinpath("sql", f"{file}.sql").read_text()
    assert text.startswith("-- name: ")
    assert text.count("-- name: ") == len(queries(file))
    assert all(queries(file).values())


def test_names_in_braces_are_filled_in():
    """What can't be a parameter is put in by name, and only where it stands."""
    assert b"COPY staged" in query("log", "stage")
    assert b"llmgw.fact_events" in query("log", "read", log="fact")
    assert b"{log}" not in query("log", "read", log="fact")


def test_a_query_that_is_not_there_is_an_error():
    """A misspelt name is found by the first call."""
    with pytest.raises(KeyError):
        query("log", "raed")
