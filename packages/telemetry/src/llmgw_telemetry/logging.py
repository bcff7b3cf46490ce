"""Logging: everything goes to one stream, as one JSON object a line, or in colour for a person at a terminal.

Two roads lead there. What the edges log through the standard `logging` is rendered by structlog. The request line,
which every call pays for, skips both: the observer encodes it and `LogStream.write` puts it out. Both pass the same
redaction.

A line is written when it is made: a process that is killed has said what it knew. A stream that can't take a line (a
closed pipe, a full disk) loses the line and counts it; a call never fails for its own log.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal, TextIO

import msgspec
import structlog
from structlog.types import EventDict

from llmgw_telemetry.redaction import redact, redact_fields

Format = Literal["auto", "json", "console"]


class LogConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`format`: `auto` is `console` on a terminal, `json` elsewhere. `requests`: whether each request has its line."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Format = "auto"
    requests: bool = True


class LogStream:
    """Where the request lines go. `lost` counts lines that could not be written."""

    def __init__(self, stream: TextIO, *, console: bool, requests: bool) -> None:
        self.console = console
        self.requests = requests
        self.lost = 0
        self._stream = stream

    def write(self, line: str) -> None:
        """One line of text, without its end. Never raises."""
        try:
            # One write, so that lines of several processes on one pipe do not mix.
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self.lost += 1

    def __repr__(self) -> str:
        return f"<LogStream {'console' if self.console else 'json'} lost={self.lost}>"


def configure_logging(config: LogConfig, stream: TextIO | None = None) -> LogStream:
    """Sets the standard `logging` up, for the whole process, and gives the road for request lines.

    `stream` is standard error by default. Calling it again replaces what it set before.
    """
    target = stream if stream is not None else sys.stderr
    console = config.format == "console" or (config.format == "auto" and target.isatty())
    out = LogStream(target, console=console, requests=config.requests)
    handler = _Road(out)
    handler.setFormatter(_formatter(target, console=console))
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Road)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(config.level.upper())
    return out


class _Road(logging.Handler):
    """The standard `logging`'s way to the stream."""

    def __init__(self, out: LogStream) -> None:
        super().__init__()
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:
            # A record whose arguments do not fit its text must not fail the code that logs.
            fields = {"level": record.levelname.lower(), "event": redact(str(record.msg)), "logger": record.name}
            line = msgspec.json.encode(fields).decode()
        self._out.write(line)


def _formatter(target: TextIO, *, console: bool) -> logging.Formatter:
    first: list[structlog.types.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.stdlib.add_log_level,
        _without_leftovers,
    ]
    last = _console_processors(colors=target.isatty()) if console else _JSON_PROCESSORS
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder()],
        use_get_message=True,
        processors=[*first, *last],
    )


def _console_processors(*, colors: bool) -> list[structlog.types.Processor]:
    """For a person. Redacted last, because the renderer itself writes the traceback."""
    render = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
    return [stamp, render, lambda logger, method, text: redact(str(text))]


def _without_leftovers(logger: Any, method: str, line: EventDict) -> EventDict:
    """What another handler's formatter left on the record is not one of its extras."""
    line.pop("message", None)
    line.pop("asctime", None)
    return line


def _redacted(logger: Any, method: str, line: EventDict) -> EventDict:
    return redact_fields(dict(line))


def _as_json(logger: Any, method: str, line: EventDict) -> str:
    first = {name: line.pop(name, None) for name in ("ts", "level", "event")}
    return msgspec.json.encode({**first, **line}).decode()


_JSON_PROCESSORS: list[structlog.types.Processor] = [
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    structlog.processors.format_exc_info,
    _redacted,
    _as_json,
]
