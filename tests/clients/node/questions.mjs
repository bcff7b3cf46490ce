// The smaller questions that the SDKs for Node ask: which models there are, how many tokens a prompt has, and vectors.

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

/** Whether both SDKs get the same two vectors of a model; without a format OpenAI's asks for base64, and reads that. */
async function sameVectors(model) {
  const input = ["one", "two"];
  const { data } = await openai.embeddings.create({ model, input });
  const { embeddings } = await google.models.embedContent({ model, contents: input });
  const near = (x, y) => Math.abs(x - y) < 1e-6;
  return input.every((_, at) => {
    const [ours, theirs] = [data[at].embedding, embeddings[at].values];
    return ours.length > 0 && ours.length === theirs.length && ours.every((x, i) => near(x, theirs[i]));
  });
}

console.log(
  JSON.stringify({
    openai: await all(openai.models.list(), "id"),
    anthropic: await all(anthropic.models.list(), "id"),
    google: await all(google.models.list(), "name"),
    one: (await openai.models.retrieve("sim/claude")).id,
    vectors: [await sameVectors("sim/gpt"), await sameVectors("sim/gemini")],
    messages: (await anthropic.messages.countTokens({ model: "sim/gpt", messages })).input_tokens,
    gemini: (await google.models.countTokens({ model: "sim/claude", contents: messages[0].content })).totalTokens,
  }),
);
