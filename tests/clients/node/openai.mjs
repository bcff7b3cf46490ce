// `openai`: a loop over Chat Completions or Responses, as an application writes it.

import OpenAI from "openai";

import { BASE, DIALECT, KEY, PROMPT, TOOLS, perform } from "./task.mjs";

const client = new OpenAI({ baseURL: `${BASE}/v1`, apiKey: KEY });

async function chat(model, stream, run) {
  const tools = Object.entries(TOOLS).map(([name, { description, schema }]) => ({
    type: "function",
    function: { name, description, parameters: schema, strict: true },
  }));
  const messages = [{ role: "user", content: PROMPT }];
  for (;;) {
    const asked = { model, messages, tools };
    const answer = stream
      ? await client.chat.completions.stream({ ...asked, stream_options: { include_usage: true } }).finalChatCompletion()
      : await client.chat.completions.create(asked);
    const { message, finish_reason } = answer.choices[0];
    run.used(answer.usage.prompt_tokens, answer.usage.completion_tokens);
    if (finish_reason !== "tool_calls") return message.content;
    messages.push(message);
    for (const { id, function: called } of message.tool_calls) {
      messages.push({ role: "tool", tool_call_id: id, content: run.call(called.name, JSON.parse(called.arguments)) });
    }
  }
}

async function responses(model, stream, run) {
  const tools = Object.entries(TOOLS).map(([name, { description, schema }]) => ({
    type: "function",
    name,
    description,
    parameters: schema,
    strict: true,
  }));
  const input = [{ role: "user", content: PROMPT }];
  for (;;) {
    const asked = { model, input, tools, store: false };
    const answer = stream
      ? await client.responses.stream(asked).finalResponse()
      : await client.responses.create(asked);
    run.used(answer.usage.input_tokens, answer.usage.output_tokens);
    const calls = answer.output.filter((item) => item.type === "function_call");
    if (!calls.length) return answer.output_text;
    input.push(...answer.output);
    for (const { call_id, name, arguments: given } of calls) {
      input.push({ type: "function_call_output", call_id, output: run.call(name, JSON.parse(given)) });
    }
  }
}

await perform({ chat, responses }[DIALECT]);
