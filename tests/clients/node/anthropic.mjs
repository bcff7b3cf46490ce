// `@anthropic-ai/sdk`: a loop over Messages, as an application writes it.

import Anthropic from "@anthropic-ai/sdk";

import { BASE, KEY, PROMPT, TOOLS, perform } from "./task.mjs";

const client = new Anthropic({ baseURL: BASE, apiKey: KEY });
const tools = Object.entries(TOOLS).map(([name, { description, schema }]) => ({
  name,
  description,
  input_schema: schema,
}));

await perform(async (model, stream, run) => {
  const messages = [{ role: "user", content: PROMPT }];
  for (;;) {
    const asked = { model, messages, tools, max_tokens: 1000 };
    const answer = stream
      ? await client.messages.stream(asked).finalMessage()
      : await client.messages.create(asked);
    run.used(answer.usage.input_tokens, answer.usage.output_tokens);
    if (answer.stop_reason !== "tool_use") {
      return answer.content.map((block) => (block.type === "text" ? block.text : "")).join("");
    }
    const calls = answer.content.filter((block) => block.type === "tool_use");
    const results = calls.map(({ id, name, input }) => ({
      type: "tool_result",
      tool_use_id: id,
      content: run.call(name, input),
    }));
    messages.push({ role: "assistant", content: answer.content }, { role: "user", content: results });
  }
});
