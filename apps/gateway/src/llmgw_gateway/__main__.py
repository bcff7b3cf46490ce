"""`python -m llmgw_gateway` is the `gateway` command."""

import sys

from llmgw_gateway.cli import main

if __name__ == "__main__":
    sys.exit(main())
