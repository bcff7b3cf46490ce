"""Figures as Markdown, with what they were measured on."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path


def header(load: tuple[float, float, float], seconds: float) -> str:
    """`load` is the load average from before, `seconds` how long it took."""
    now = datetime.fromtimestamp(time.time(), UTC)
    return (
        f"{now:%Y-%m-%d %H:%M} UTC, {_processor()}, Python {platform.python_version()}, {platform.system()} "
        f"{platform.release()}; load average {load[0]:.2f} before and {os.getloadavg()[0]:.2f} after {seconds:.0f} s\n"
    )


def table(head: list[str], *rows: list[str]) -> None:
    print(f"| {' | '.join(head)} |")
    print("|---|" + "--:|" * (len(head) - 1))
    for row in rows:
        print(f"| {' | '.join(row)} |")


def _processor() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{names[0] if names else platform.machine()} ({len(names)} cores)"
