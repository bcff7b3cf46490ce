import pytest

from llmgw_simulator.accounts import Accounts, Down, Setting, parse_setting, parse_settings


def test_limits_are_each_credentials_own():
    """A pattern gives all that fit the same limits, and each has them for itself."""
    accounts = Accounts((Setting(credential="key-*", requests_per_minute=1),))
    accounts.of("key-1", 0.0).take("requests", 1.0, 0.0)
    denials = [accounts.of(key, 0.0).denial(10, 1, 0.0) for key in ("key-1", "key-2", "other")]
    assert ["requests", None, None] == [denial and denial.name for denial in denials]


def test_without_settings_nothing_is_kept():
    """The usual case costs nothing."""
    assert Accounts().of("key-1", 0.0) is None


def test_more_requests_than_the_concurrency_are_denied():
    """The one that asks is counted."""
    account = Accounts((Setting(credential="*", concurrency=2),)).of("key-1", 0.0)
    assert account.denial(1, 2, 0.0) is None
    denial = account.denial(1, 3, 0.0)
    assert ("concurrency", 3, 1.0) == (denial.name, denial.wants, denial.wait)


def test_answers_are_taken_from_their_own_allowance():
    """Which stops the next request."""
    account = Accounts((Setting(credential="*", output_tokens_per_minute=60),)).of("key-1", 0.0)
    account.take("output-tokens", 100.0, 0.0)
    assert ("output-tokens", 41.0) == ((found := account.denial(1, 1, 0.0)).name, found.wait)
    assert {"output-tokens"} == account.standing(0.0).keys()


def test_a_later_setting_changes_what_it_mentions():
    """Null takes a limit away; a change of limits begins with full allowances, another change does not."""
    accounts = Accounts((Setting(credential="*", requests_per_minute=60, tokens_per_minute=600),))
    first = accounts.of("key-1", 0.0)
    accounts.set(Setting(credential="key-1", down=529), 0.0)
    assert first is accounts.of("key-1", 0.0)
    accounts.set(Setting(credential="key-1", requests_per_minute=None), 0.0)
    assert {"tokens"} == accounts.of("key-1", 0.0).standing(0.0).keys()
    assert {"requests", "tokens"} == accounts.of("key-2", 0.0).standing(0.0).keys()


def test_trouble_ends_by_itself_or_when_it_is_taken_away():
    """The last setting that mentions it counts."""
    accounts = Accounts()
    accounts.set(Setting(credential="key-*", down=503), 0.0)
    accounts.set(Setting(credential="key-1", down=429, seconds=20.0), 100.0)
    assert Down(429, 120.0) == accounts.down("key-1", 110.0)
    assert 10.0 == accounts.down("key-1", 110.0).left(110.0)
    assert accounts.down("key-1", 120.0) is None
    assert Down(503, None) == accounts.down("key-2", 1e9)
    accounts.set(Setting(credential="*", down=None), 200.0)
    assert accounts.down("key-2", 200.0) is None


def test_all_is_forgotten():
    """Settings, and what was used."""
    accounts = Accounts((Setting(credential="*", requests_per_minute=1),))
    accounts.of("key-1", 0.0).take("requests", 1.0, 0.0)
    accounts.clear()
    assert ([], None) == (accounts.settings, accounts.of("key-1", 0.0))


def test_settings_are_read_one_or_many():
    """From JSON; the command line has a short form."""
    expected = Setting(credential="key-*", requests_per_minute=1.5, down="reset")
    body = b'{"credential": "key-*", "requests-per-minute": 1.5, "down": "reset"}'
    assert [expected] == parse_settings(body)
    assert [expected, expected] == parse_settings(b"[" + body + b"," + body + b"]")
    assert expected == parse_setting("key-*, requests-per-minute=1.5, down=reset")


@pytest.mark.parametrize(
    "text",
    [
        "key,down=200",
        "key,down=later",
        "key,requests-per-minute=0",
        "key,concurrency=1.5",
        "key,rpm=3",
        "key,down",
        "key,down=503,seconds=5",
    ],
)
def test_a_wrong_setting_is_refused(text):
    """A typing error must not pass as no limit at all."""
    with pytest.raises(ValueError):
        parse_setting(text)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"credential": "a", "down": 99}', b'[{"credential": 1}]'])
def test_a_wrong_body_is_refused(body):
    """With its reason."""
    with pytest.raises(ValueError):
        parse_settings(body)
