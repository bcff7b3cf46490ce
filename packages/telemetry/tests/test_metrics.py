import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_telemetry.metrics import DURATIONS, Metrics

OVERFLOW = """\
# HELP gateway_metrics_overflow_total Observations under the label 'other', their family being full.
# TYPE gateway_metrics_overflow_total counter
"""

GOLDEN = (
    OVERFLOW
    + """\
# HELP requests_total Requests, all.
# TYPE requests_total counter
requests_total{model="a",outcome="ok"} 2
requests_total{model="q\\"u\\\\o\\nte",outcome="ok"} 1.5
# HELP temperature Line one\\nand a \\\\.
# TYPE temperature gauge
temperature -3
# HELP seconds How long.
# TYPE seconds histogram
seconds_bucket{kind="x",le="0.5"} 1
seconds_bucket{kind="x",le="1"} 2
seconds_bucket{kind="x",le="+Inf"} 3
seconds_sum{kind="x"} 4.25
seconds_count{kind="x"} 3
# HELP connections Read at scrape.
# TYPE connections gauge
connections{state="idle"} 4
connections{state="open"} 5
"""
)


def test_the_text_format():
    """Counters, gauges, histograms and callbacks are rendered as format 0.0.4 says, escapes included."""
    metrics = Metrics()
    requests = metrics.counter("requests_total", "Requests, all.", ("model", "outcome"))
    requests.of("a", "ok").inc()
    requests.of("a", "ok").inc()
    requests.of('q"u\\o\nte', "ok").inc(1.5)
    temperature = metrics.gauge("temperature", "Line one\nand a \\.").of()
    temperature.set(1)
    temperature.dec(4)
    seconds = metrics.histogram("seconds", "How long.", ("kind",), (0.5, 1.0))
    for value in (0.25, 1.0, 3.0):
        seconds.of("x").observe(value)
    metrics.callback("connections", "Read at scrape.", ("state",), lambda: [(("idle",), 4), (("open",), 5)])
    assert metrics.render().decode() == GOLDEN


def test_a_metric_without_labels_is_shown_before_it_counts():
    """A family without labels has its zero from the start."""
    metrics = Metrics()
    metrics.counter("a_total", "A.")
    metrics.histogram("b", "B.", (), (1.0,))
    text = metrics.render().decode()
    assert "\na_total 0\n" in text
    assert '\nb_bucket{le="1"} 0\nb_bucket{le="+Inf"} 0\nb_sum 0\nb_count 0\n' in text


def test_a_full_family_keeps_sums_and_coarsens_the_split():
    """Beyond its bound a family counts under `other`, and the overflow is counted by family."""
    metrics = Metrics(max_series=2)
    family = metrics.counter("a_total", "A.", ("model", "x"))
    for name in ("one", "two", "three", "four", "one"):
        family.of(name, "y").inc()
    assert {values: series.value for values, series in family.series.items()} == {
        ("one", "y"): 2,
        ("two", "y"): 1,
        ("other", "other"): 2,
    }
    assert '\ngateway_metrics_overflow_total{metric="a_total"} 2\n' in metrics.render().decode()


@given(st.lists(st.tuples(st.text(max_size=3), st.floats(0, 1000))), st.integers(1, 4))
def test_nothing_observed_is_lost(observed, limit):
    """Whatever the labels and the bound, counts and sums over a family are those of what was observed."""
    metrics = Metrics(max_series=limit)
    family = metrics.histogram("a", "A.", ("x",))
    for label, value in observed:
        family.of(label).observe(value)
    assert sum(sum(s.counts) for s in family.series.values()) == len(observed)
    assert math.isclose(sum(s.sum for s in family.series.values()), math.fsum(v for _, v in observed), abs_tol=1e-6)
    assert len(family.series) <= limit + 1
    metrics.render().decode()


@pytest.mark.parametrize(
    ("value", "text"),
    [(math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN"), (3.0, "3"), (0.1, "0.1"), (1e20, "1e+20")],
)
def test_numbers_are_written_as_the_format_says(value, text):
    """Infinities and NaN have names of their own; whole numbers have no fraction."""
    metrics = Metrics()
    metrics.gauge("a", "A.").of().set(value)
    assert f"\na {text}\n" in metrics.render().decode()


def test_half_a_character_does_not_spoil_the_page():
    """A label that no encoder takes is rendered with a question mark."""
    metrics = Metrics()
    metrics.counter("a_total", "A.", ("x",)).of("\ud800b").inc()
    assert '\na_total{x="?b"} 1\n' in metrics.render().decode()


def test_a_failing_callback_loses_its_own_metric_only(caplog):
    """One source that can't be read does not take the others' numbers away."""
    metrics = Metrics()
    metrics.callback("broken", "B.", (), lambda: 1 / 0)
    metrics.counter("a_total", "A.")
    assert metrics.render().decode() == OVERFLOW + "# HELP a_total A.\n# TYPE a_total counter\na_total 0\n"
    assert caplog.messages == ["metric broken can't be read"]


def test_mistakes_of_the_code_are_errors():
    """A second family of one name, a bad name, and a wrong number of labels raise."""
    metrics = Metrics()
    family = metrics.counter("a_total", "A.", ("x",))
    with pytest.raises(ValueError, match="exists"):
        metrics.gauge("a_total", "A.")
    with pytest.raises(ValueError, match="not a valid"):
        metrics.gauge("a-b", "A.")
    with pytest.raises(ValueError, match="not a valid"):
        metrics.gauge("b", "A.", ("__x",))
    with pytest.raises(ValueError, match="labels"):
        family.of("a", "b")
    assert repr(metrics) == "<Metrics 2 families>"


def test_durations_reach_from_milliseconds_to_minutes():
    """The default buckets double from 5 ms to 655.36 s."""
    assert (DURATIONS[0], DURATIONS[1], DURATIONS[-1], len(DURATIONS)) == (0.005, 0.01, 655.36, 18)
