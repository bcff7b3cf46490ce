"""The comparison as Markdown: a table for each scenario, a column for each contender."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import report

from cache.figures import Figures


def print_table(scenario: str, about: str, rows: Sequence[tuple[str, Figures]]) -> None:
    """Prints what one scenario came to; `about` says what happens in it."""
    shown = [each for _, each in rows]
    print(f"\n**{scenario}**: {' '.join(about.split())}\n")
    report.table(
        ["", *(name for name, _ in rows)],
        ["turns served", *(f"{each.turns:,}" for each in shown)],
        ["prompt tokens read from caches", *(f"{each.hit:.1%}" for each in shown)],
        ["of what the bound reads", *(f"{each.of_bound:.2%}" for each in shown)],
        ["cost", *(f"${each.dollars:,.2f}" for each in shown)],
        ["above the bound's", *(f"{each.above_bound:+.1%}" for each in shown)],
        ["warm turns on the same account", *(f"{each.steady:.2%}" for each in shown)],
        ["the same, across the restart", *(_share(each.across) for each in shown)],
        ["tokens of an account, most / mean", *(f"{each.spread:.2f}" for each in shown)],
        ["refusals of the accounts", *(_counts(each.refusals) for each in shown)],
        ["errors before an answer", *(_counts(each.refused) for each in shown)],
        ["answers cut off", *(str(each.cut) for each in shown)],
        ["sessions dropped", *(str(each.dropped) for each in shown)],
        ["added wait, median", *(f"{each.wait * 1000:.1f} ms" for each in shown)],
        ["added wait, 99th percentile", *(f"{each.wait_p99:.1f} s" for each in shown)],
        ["lost tokens, as it says itself", *(_parts(each.lost) for each in shown)],
        ["CPU a turn", *("-" if each.cpu_ms is None else f"{each.cpu_ms:.1f} ms" for each in shown)],
    )
    print("\nThe median wait is in real time, its 99th percentile in the simulator's, as most of it is waiting.")


def _counts(counts: Mapping[int, int] | Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items(), key=str)) or "none"


def _parts(parts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {part:.2%}" for name, part in sorted(parts.items())) or "-"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"
