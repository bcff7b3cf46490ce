"""An operator's settings come over the defaults, and under what the promises hang on."""

from __future__ import annotations

from llmgw_postgres.embedded.config import EmbeddedConfig


def test_an_operators_settings_win_over_the_defaults_and_not_over_what_is_promised():
    """Memory can be changed and extensions set; durability and the closed port can't."""
    own = {"shared_buffers": "1GB", "auto_explain.log_min_duration": "1s", "fsync": "off", "listen_addresses": "*"}
    given = EmbeddedConfig(settings=own).effective()
    expected = {"shared_buffers": "1GB", "auto_explain.log_min_duration": "1s", "fsync": "on", "listen_addresses": ""}
    assert expected == {name: given[name] for name in own}
    assert "40" == given["max_connections"]
