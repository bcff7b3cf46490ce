import pytest

from llmgw_domain import Provider
from llmgw_protocols import dialect_named, dialect_of


@pytest.mark.parametrize("name", ["chat", "messages", "gemini"])
def test_dialects_are_found_by_their_name(name):
    """Each dialect is registered under the name that it calls itself."""
    assert dialect_named(name).name == name


@pytest.mark.parametrize("provider", list(Provider))
def test_every_provider_speaks_a_dialect(provider):
    """No provider can be configured whose accounts could not be spoken to."""
    assert dialect_named(dialect_of(provider).name) is dialect_of(provider)


def test_an_unknown_name_is_a_key_error():
    """Asking for a dialect that is not there fails at once."""
    with pytest.raises(KeyError):
        dialect_named("smoke signals")
