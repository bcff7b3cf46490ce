import asyncio

import aiohttp
import pytest
from yarl import URL

from llmgw_simulator import Fault, Pace, Rule, Simulator, SimulatorConfig
from llmgw_simulator.testing import KEYS, post, request_of, until


async def test_it_serves_in_the_callers_loop_and_stops():
    """On a free port, which is free again afterwards."""
    async with Simulator().serve() as running:
        assert f"http://127.0.0.1:{running.port}" == running.base_url
        path, body = request_of("chat", "Hello")
        assert 200 == (await post(running.port, path, body, KEYS["chat"])).status
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", running.port)


async def test_stopping_does_not_wait_for_answers_under_way():
    """A stalled answer is cut off, and logged as such."""
    path, body = request_of("chat", "Hello", stream=True)
    async with asyncio.TaskGroup() as tasks, Simulator(SimulatorConfig(pace=Pace(think=1000.0))).serve() as running:
        asking = tasks.create_task(post(running.port, path, body, KEYS["chat"]))
        await until(lambda: running.log.in_flight)
    assert "complete" != asking.result().ending
    assert 0 == running.log.in_flight


async def test_faults_and_log_are_at_hand_in_process():
    """Without a detour over HTTP, and the same over HTTP."""
    async with Simulator().serve() as running, aiohttp.ClientSession() as http:
        running.faults.add(Rule(Fault(status=503)))
        path, body = request_of("chat", "Hello")
        assert 503 == (await post(running.port, path, body, KEYS["chat"])).status
        assert [503] == [entry.status for entry in running.log.entries]
        async with http.get(f"{running.base_url}/_sim/log") as response:
            assert [503] == [entry["status"] for entry in (await response.json())["requests"]]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_refused(chunked):
    """Whether or not its length was declared."""

    async def body():
        yield b"x" * 600
        yield b"x" * 600

    async with Simulator(SimulatorConfig(max_body=1000)).serve() as running, aiohttp.ClientSession() as http:
        data = body() if chunked else b"x" * 1200
        async with http.post(f"{running.base_url}/v1/messages", data=data, headers=KEYS["messages"]) as response:
            assert (413, "request_too_large") == (response.status, (await response.json())["error"]["type"])


async def test_models_with_slashes_and_escapes_in_the_path():
    """Both reach the same model."""
    async with Simulator().serve() as running, aiohttp.ClientSession() as http:
        for path in ("/v1beta/models/sim/gemini", "/v1beta/models/sim%2Fgemini", "/v1beta/sim/gemini"):
            url = URL(f"{running.base_url}{path}:generateContent?key=k", encoded=True)
            async with http.post(url, json=request_of("gemini", "x")[1]) as response:
                assert "sim/gemini" == (await response.json())["modelVersion"]
        assert ["k"] * 3 == [entry.credential for entry in running.log.entries]


async def test_forms_may_be_larger_than_other_bodies():
    """They go to disk; but they, too, have a limit, and one that cannot be read lacks its fields."""
    config = SimulatorConfig(max_body=1000, max_upload=100_000)
    async with Simulator(config).serve() as running, aiohttp.ClientSession() as http:

        async def upload(size):
            form = aiohttp.FormData({"purpose": "evals"})
            form.add_field("file", b"x" * size, filename="a")
            async with http.post(f"{running.base_url}/v1/files", data=form, headers=KEYS["chat"]) as response:
                return response.status, (await response.json()).get("bytes")

        assert [(200, 50_000), (413, None)] == [await upload(size) for size in (50_000, 200_000)]
        headers = {**KEYS["chat"], "content-type": "multipart/form-data; boundary=x"}
        async with http.post(f"{running.base_url}/v1/files", data=b"no form", headers=headers) as response:
            assert "Missing required parameter: 'file'." == (await response.json())["error"]["message"]
