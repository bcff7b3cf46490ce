// The smaller questions that the SDKs for Node ask: which models there are, and how many tokens a prompt has.

import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";

import { BASE, KEY } from "./task.mjs";

const openai = new OpenAI({ baseURL: `${BASE}/v1`, apiKey: KEY });
const anthropic = new Anthropic({ baseURL: BASE, apiKey: KEY });
const google = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: BASE } });
const messages = [{ role: "user", content: "How long is this?" }];

/** The property `name` of every item of a list that comes in pages. */
async function all(pages, name) {
  const found = [];
  for await (const item of await pages) found.push(item[name]);
  return found;
}

console.log(
  JSON.stringify({
    openai: await all(openai.models.list(), "id"),
    anthropic: await all(anthropic.models.list(), "id"),
    google: await all(google.models.list(), "name"),
    one: (await openai.models.retrieve("sim/claude")).id,
    messages: (await anthropic.messages.countTokens({ model: "sim/gpt", messages })).input_tokens,
    gemini: (await google.models.countTokens({ model: "sim/claude", contents: messages[0].content })).totalTokens,
  }),
);
