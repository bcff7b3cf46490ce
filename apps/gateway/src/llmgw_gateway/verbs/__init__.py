"""The command line's verbs for a running gateway: `gateway accounts list`, `gateway keys create`, `gateway events`, ...

They are clients of the admin API, and know nothing that it does not tell. Options for fields are made of the records'
structs, so a new field has its option. Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no gateway can be reached.
"""

from llmgw_gateway.verbs.command_line import add_verbs

__all__ = ["add_verbs"]
