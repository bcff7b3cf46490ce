// An HTTP/2 server that is made of nghttp2, for a client that is not. Says its port on the first line.
// A stream says "data: N" each GAP ms; `?goaway=1` sends GOAWAY and goes on, `?reset=1` ends the stream by RST_STREAM,
// `?silence=MS` waits before the first event. GET /seen gives counts.
import http2 from "node:http2";

const seen = { sessions: 0, streams: 0, bytes: 0 };
const server = http2.createServer({ settings: { maxConcurrentStreams: 10 } });
server.on("session", () => seen.sessions++);
server.on("stream", async (stream, headers) => {
  const url = new URL(headers[":path"], "http://localhost");
  if (url.pathname === "/seen") {
    stream.respond({ ":status": 200, "content-type": "application/json" });
    stream.end(JSON.stringify(seen));
    return;
  }
  seen.streams++;
  for await (const part of stream) seen.bytes += part.length;
  stream.on("error", () => {});
  stream.respond({ ":status": 200, "content-type": "text/event-stream" });
  if (url.searchParams.has("goaway")) stream.session.goaway(0);
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  await wait(Number(url.searchParams.get("silence") ?? 0));
  for (let number = 0; number < 10; number++) {
    if (stream.destroyed) return;
    if (number === 5 && url.searchParams.has("reset")) {
      stream.destroy(new Error("as asked"));
      return;
    }
    stream.write(`data: ${number}\n\n`);
    await wait(20);
  }
  stream.end("data: end\n\n");
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
