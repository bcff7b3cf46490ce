"""OpenAI's Agents SDK: its runner on Responses, which is its default, and on Chat Completions."""

from __future__ import annotations

import asyncio

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from task import BASE, DIALECT, KEY, PROMPT, Run, perform

MODELS = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}


async def converse(model: str, stream: bool, run: Run) -> str:
    client = AsyncOpenAI(base_url=f"{BASE}/v1", api_key=KEY)
    agent = Agent(
        name="clerk",
        model=MODELS[DIALECT](model=model, openai_client=client),
        model_settings=ModelSettings(include_usage=True),
        tools=[function_tool(tool) for tool in run.tools],
    )
    if stream:
        result = Runner.run_streamed(agent, PROMPT)
        async for _ in result.stream_events():
            pass
    else:
        result = await Runner.run(agent, PROMPT)
    usage = result.context_wrapper.usage
    run.used(usage.input_tokens, usage.output_tokens)
    return result.final_output


def work(model: str, stream: bool, run: Run) -> str:
    return asyncio.run(converse(model, stream, run))


set_tracing_disabled(True)
perform(work)
