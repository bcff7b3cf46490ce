"""What an operator sees of the gateway: metrics, and one line of log a request.

`Metrics` is a registry of counters, gauges and histograms; `Totals` makes those of several processes one, and `text`
is Prometheus' format of them. `Observer` takes the
facts of calls from the relay and turns each into increments and a line. `configure_logging` sends that line, and
whatever the edges log through the standard `logging`, to standard error through one redaction.

Prompts and answers never come here. Credentials should not either; the redaction is for those that come all the same,
inside a library's message or a client's mistake.
"""

from llmgw_telemetry.exposition import Collected, Totals, text
from llmgw_telemetry.logging import LogConfig, LogStream, configure_logging
from llmgw_telemetry.metrics import Metrics
from llmgw_telemetry.observer import Observer

__all__ = ["Collected", "LogConfig", "LogStream", "Metrics", "Observer", "Totals", "configure_logging", "text"]
