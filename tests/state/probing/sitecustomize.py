"""Looks into the loop of every process that finds this folder in PYTHONPATH: how late its timers fire, how long it is
busy with one piece of work, how long the collector takes. The worst of each is in `$PROBE/PID`, written anew each half
second; a file `$PROBE/reset` that is newer begins again.
"""

import asyncio
import gc
import os
import sys
import time
from pathlib import Path

import msgspec

FOLDER = os.environ.get("PROBE")
worst: dict[str, float] = {}


def note(name, seconds):
    worst[name] = max(worst.get(name, 0.0), seconds)


def timed(owner, method, name):
    """Processor time of a method, so that other processes on the same core do not count."""
    run = getattr(owner, method)

    def measured(*args, **kwargs):
        began = time.thread_time()
        try:
            return run(*args, **kwargs)
        finally:
            note(name, time.thread_time() - began)

    setattr(owner, method, measured)


def collections():
    began = [0.0]

    def seen(phase, about):
        if phase == "start":
            began[0] = time.thread_time()
        else:
            note(f"collection of generation {about['generation']}", time.thread_time() - began[0])

    gc.callbacks.append(seen)


async def probe():
    patched, written, since = False, 0.0, 0.0
    Path(FOLDER).mkdir(exist_ok=True)
    while True:
        due, busy = time.perf_counter() + 0.001, time.thread_time()
        await asyncio.sleep(0.001)
        late, busy = time.perf_counter() - due, time.thread_time() - busy
        note("lateness of the loop", late)
        note("work between two ticks", min(busy, late + 0.001))
        if not patched and "llmgw_control.administration" in sys.modules:
            from llmgw_control.administration import Administration
            from llmgw_gateway.state.follower import Follower
            from llmgw_gateway.state.served import Served

            timed(Administration, "_commit", "command")
            timed(Follower, "_apply", "publish")
            timed(Served, "_due", "publish")
            patched = True
            collections()
        if due - written > 0.5:
            written = due
            reset = Path(FOLDER) / "reset"
            if reset.exists() and reset.stat().st_mtime > since:
                since = reset.stat().st_mtime
                worst.clear()
            role = sys.argv[-1] if "process" in sys.argv else "single"
            (Path(FOLDER) / str(os.getpid())).write_bytes(msgspec.json.encode({"role": role, **worst}))


if FOLDER:
    run = asyncio.Runner.run

    def probed(self, coro, **options):
        async def both():
            task = asyncio.get_running_loop().create_task(probe())
            try:
                return await coro
            finally:
                task.cancel()

        return run(self, both(), **options)

    asyncio.Runner.run = probed
