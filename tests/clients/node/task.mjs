// The one task that every client here does: two tools, the second asked for after the first one's result.
//
// The prompt dictates the calls to the simulated model. A client does the task for each model, streamed and not, and
// prints what it saw: {model: {whole: seen, stream: seen}}, seen = {text, calls, input_tokens, output_tokens}.

export const PROMPT = `Please do this:
call weather with {"city":"Zürich","days":3}
call time with {"zone":"Europe/Zurich"}
Then tell me.`;

export const TOOLS = {
  weather: {
    description: "The weather of the next days",
    schema: {
      type: "object",
      properties: { city: { type: "string" }, days: { type: "integer" } },
      required: ["city", "days"],
      additionalProperties: false,
    },
    run: ({ city, days }) => `sunny in ${city} for ${days} days`,
  },
  time: {
    description: "The time of day",
    schema: {
      type: "object",
      properties: { zone: { type: "string" } },
      required: ["zone"],
      additionalProperties: false,
    },
    run: ({ zone }) => `noon in ${zone} 🌦`,
  },
};

export const BASE = process.env.GATEWAY_BASE;
export const KEY = process.env.GATEWAY_KEY;
export const DIALECT = process.argv[2];

/** One run of the task: what was called, and what it cost. */
export class Run {
  calls = [];
  input_tokens = 0;
  output_tokens = 0;

  /** Runs a tool; `given` are its arguments as an object. */
  call(name, given) {
    this.calls.push([name, given]);
    return TOOLS[name].run(given);
  }

  used(input, output) {
    this.input_tokens += input;
    this.output_tokens += output;
  }

  seen(text) {
    return { text, ...this };
  }
}

/** Does `work(model, stream, run)`, which gives the final text, for each model both ways, and prints what it saw. */
export async function perform(work) {
  const report = {};
  for (const model of process.argv.slice(3)) {
    report[model] = {};
    for (const way of ["whole", "stream"]) {
      const run = new Run();
      report[model][way] = run.seen(await work(model, way === "stream", run));
    }
  }
  console.log(JSON.stringify(report));
}
