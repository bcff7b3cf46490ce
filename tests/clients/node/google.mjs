// `@google/genai`: a chat session, which keeps the history itself.

import { GoogleGenAI } from "@google/genai";

import { BASE, KEY, PROMPT, TOOLS, perform } from "./task.mjs";

const client = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: BASE } });
const functionDeclarations = Object.entries(TOOLS).map(([name, { description, schema }]) => ({
  name,
  description,
  parametersJsonSchema: schema,
}));

/** The text, the calls and the usage of one turn. */
async function turn(chat, stream, message) {
  const chunks = stream ? await chat.sendMessageStream({ message }) : [await chat.sendMessage({ message })];
  const told = { text: "", calls: [], usage: undefined };
  for await (const chunk of chunks) {
    const parts = chunk.candidates?.[0]?.content?.parts ?? [];
    told.text += parts.map((part) => (part.thought ? "" : (part.text ?? ""))).join("");
    told.calls.push(...(chunk.functionCalls ?? []));
    told.usage = chunk.usageMetadata ?? told.usage;
  }
  return told;
}

await perform(async (model, stream, run) => {
  const chat = client.chats.create({ model, config: { tools: [{ functionDeclarations }] } });
  let message = PROMPT;
  for (;;) {
    const { text, calls, usage } = await turn(chat, stream, message);
    run.used(usage.promptTokenCount, usage.candidatesTokenCount);
    if (!calls.length) return text;
    message = calls.map(({ id, name, args }) => ({
      functionResponse: { id, name, response: { output: run.call(name, args) } },
    }));
  }
});
