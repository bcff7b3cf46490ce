"""How well a gateway keeps the providers' prompt caches warm, while accounts fail, and beside others that do the same.

    make bench-cache

A workload is made from a seed once (`workload`) and played again for every contender (`contenders`) in every scenario
(`scenarios`), each time against a fresh simulator whose accounts cache by their providers' rules. What counts is what
the simulator charged (`figures`), not what answers said. The clocks of the simulator, of the clients, and of a gateway
that can do so run faster by `--time-scale`. Prints Markdown and gates nothing.
"""
