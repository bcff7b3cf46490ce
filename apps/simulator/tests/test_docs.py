import asyncio
import re
import shutil
from pathlib import Path

import pytest

from llmgw_simulator import Simulator

DOCUMENT = Path(__file__).parents[3] / "docs" / "simulator.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples are curl's")
async def test_the_examples_of_the_documentation_work():
    """Every shell block runs, and none is answered with a complaint that it does not show on purpose."""
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len(blocks) >= 6
    async with Simulator().serve() as running:
        for block in blocks:
            script = block.replace("127.0.0.1:9001", f"127.0.0.1:{running.port}")
            process = await asyncio.create_subprocess_exec("bash", "-ec", script, stdout=asyncio.subprocess.PIPE)
            output, _ = await process.communicate()
            assert 0 == process.returncode, block
            assert output
            assert ("error" in output.decode()) == ("status=529" in block), block
