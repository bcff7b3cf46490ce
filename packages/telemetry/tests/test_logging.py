import io
import logging

import msgspec
import pytest

from llmgw_telemetry import LogConfig, LogStream, configure_logging


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _restored():
    """Leaves the process's logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream):
    return [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]


def test_standard_logging_becomes_json_lines():
    """Each record is one JSON object: time, level, event, logger and extras."""
    stream = io.StringIO()
    configure_logging(LogConfig(), stream)
    logging.getLogger("llmgw.x").warning("lost %d of %s", 3, "five", extra={"account": "a"})
    [line] = lines(stream)
    assert list(line)[:3] == ["ts", "level", "event"]
    assert line.pop("ts").endswith("Z")
    assert line == {"level": "warning", "event": "lost 3 of five", "logger": "llmgw.x", "account": "a"}


def test_exceptions_are_one_line_and_redacted():
    """A traceback is a field of its record's line, without the credential in it."""
    stream = io.StringIO()
    configure_logging(LogConfig(), stream)
    try:
        raise ValueError("refused Bearer abcdefgh")
    except ValueError:
        logging.getLogger("x").exception("failed for %s", "sk-12345678", extra={"api_key": "k"})
    [line] = lines(stream)
    assert (line["event"], line["api_key"]) == ("failed for sk-***", "***")
    assert line["exception"].endswith("ValueError: refused Bearer ***")


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_the_console_form_is_redacted_too(stream):
    """For a person a record is plain text, with its traceback, masked as well; colours are for terminals only."""
    out = configure_logging(LogConfig(format="console"), stream)
    try:
        raise ValueError("refused Bearer abcdefgh")
    except ValueError:
        logging.getLogger("x").exception("it failed")
    text = stream.getvalue()
    assert (out.console, "it failed" in text, "refused Bearer ***" in text) == (True, True, True)
    assert ("abcdefgh" in text, "\x1b[" in text) == (False, stream.isatty())


def test_auto_looks_at_the_stream():
    """`auto` is for a person at a terminal and JSON elsewhere."""
    assert configure_logging(LogConfig(), Terminal()).console
    assert not configure_logging(LogConfig(), io.StringIO()).console
    assert not configure_logging(LogConfig(format="json"), Terminal()).console


def test_levels_filter():
    """Records below the level are left out."""
    stream = io.StringIO()
    configure_logging(LogConfig(level="error"), stream)
    logging.getLogger("x").warning("no")
    logging.getLogger("x").error("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]


def test_configuring_again_replaces():
    """A second configuration takes the first one's place instead of doubling every line."""
    first, second = io.StringIO(), io.StringIO()
    configure_logging(LogConfig(), first)
    configure_logging(LogConfig(), second)
    logging.getLogger("x").warning("once")
    assert (len(lines(first)), len(lines(second))) == (0, 1)


def test_a_record_that_can_not_be_formatted_still_makes_a_line():
    """Wrong arguments of a log call cost its text, never an exception."""
    stream = io.StringIO()
    configure_logging(LogConfig(), stream)
    road = logging.getLogger().handlers[-1]
    road.handle(logging.LogRecord("x", logging.WARNING, "f", 1, "%d of sk-12345678", ("three",), None))
    assert lines(stream) == [{"level": "warning", "event": "%d of sk-***", "logger": "x"}]


class Broken(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


@pytest.mark.parametrize("closed", [True, False])
def test_a_stream_that_takes_nothing_loses_lines_and_counts_them(closed):
    """A closed or broken stream never fails the one who logs."""
    stream = io.StringIO() if closed else Broken()
    if closed:
        stream.close()
    out = LogStream(stream, console=False, requests=True)
    out.write("a")
    assert repr(out) == "<LogStream json lost=1>"
