"""What holds for every test: nobody's authority is trusted but one, which has no key."""

from __future__ import annotations

import os
from pathlib import Path

# Each TLS context of a client loads the authorities to trust, and a system's take 20 ms of a processor: more than the
# rest of a gateway's start, and every SDK has its own. No test leaves this machine, so none of them is needed. The
# variable is OpenSSL's own, and reaches the processes that tests start where they pass their environment on.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "tests" / "authority.pem")
