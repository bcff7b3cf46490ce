// Vercel's AI SDK: its own loop over tools, on each of its providers.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";

import { BASE, DIALECT, KEY, PROMPT, TOOLS, perform } from "./task.mjs";

// It warns on standard output of models whose limits it does not know.
globalThis.AI_SDK_LOG_WARNINGS = false;

const openai = createOpenAI({ baseURL: `${BASE}/v1`, apiKey: KEY });
const compatible = { name: "gateway", baseURL: `${BASE}/v1`, apiKey: KEY, includeUsage: true };
const providers = {
  chat: (model) => openai.chat(model),
  compatible: createOpenAICompatible(compatible),
  responses: (model) => openai(model),
  messages: createAnthropic({ baseURL: `${BASE}/v1`, apiKey: KEY }),
  gemini: createGoogleGenerativeAI({ baseURL: `${BASE}/v1beta`, apiKey: KEY }),
};

await perform(async (model, stream, run) => {
  const tools = {};
  for (const [name, { description, schema }] of Object.entries(TOOLS)) {
    const execute = async (given) => run.call(name, given);
    tools[name] = tool({ description, inputSchema: jsonSchema(schema), execute });
  }
  const asked = { model: providers[DIALECT](model), prompt: PROMPT, tools, stopWhen: stepCountIs(5) };
  const failed = [];
  const result = stream
    ? streamText({ ...asked, onError: ({ error }) => failed.push(error) })
    : await generateText(asked);
  const text = await result.text;
  if (failed.length) throw failed[0];
  const usage = await result.totalUsage;
  run.used(usage.inputTokens, usage.outputTokens);
  return text;
});
