"""`llm` and its plugin for Anthropic: its chain of prompts and tools, on models that are registered by address."""

from __future__ import annotations

from llm.default_plugins.openai_models import Chat, Responses
from llm_anthropic import ClaudeMessages
from task import BASE, DIALECT, KEY, PROMPT, Run, perform

OPENAI = {"api_base": f"{BASE}/v1", "supports_tools": True}
MODELS = {
    "chat": lambda model: Chat(model, **OPENAI),
    "responses": lambda model: Responses(model, **OPENAI),
    "messages": lambda model: ClaudeMessages(model, base_url=BASE),
}


def work(model: str, stream: bool, run: Run) -> str:
    chain = MODELS[DIALECT](model).chain(PROMPT, tools=run.tools, stream=stream, key=KEY)
    text = ""
    for response in chain.responses():
        text, usage = response.text(), response.usage()
        run.used(usage.input, usage.output)
    return text


perform(work)
