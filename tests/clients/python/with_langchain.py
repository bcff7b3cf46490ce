"""LangChain: its agent on each of its chat models."""

from __future__ import annotations

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from task import BASE, DIALECT, KEY, PROMPT, Run, perform

MODELS = {
    "chat": lambda model: ChatOpenAI(model=model, base_url=f"{BASE}/v1", api_key=KEY, stream_usage=True),
    "responses": lambda model: ChatOpenAI(model=model, base_url=f"{BASE}/v1", api_key=KEY, use_responses_api=True),
    "messages": lambda model: ChatAnthropic(model=model, base_url=BASE, api_key=KEY, max_tokens=1000),
    "gemini": lambda model: ChatGoogleGenerativeAI(model=model, base_url=BASE, api_key=KEY),
}


def work(model: str, stream: bool, run: Run) -> str:
    agent = create_agent(MODELS[DIALECT](model), run.tools)
    asked = {"messages": [{"role": "user", "content": PROMPT}]}
    if not stream:
        messages = agent.invoke(asked)["messages"]
        for message in messages:
            if message.type == "ai":
                run.used(message.usage_metadata["input_tokens"], message.usage_metadata["output_tokens"])
        return str(messages[-1].text)
    texts = []
    for chunk, _ in agent.stream(asked, stream_mode="messages"):
        if chunk.type == "AIMessageChunk":
            texts.append(str(chunk.text))
            usage = chunk.usage_metadata or {}
            run.used(usage.get("input_tokens", 0), usage.get("output_tokens", 0))
    return "".join(texts)


perform(work)
