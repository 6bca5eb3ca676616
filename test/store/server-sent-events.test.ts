import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Readable } from "node:stream"
import { expect, onTestFinished, test } from "vitest"
import { lastEventId, serverSentEvents } from "../../src/index.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { temporaryStore } from "./temporary-store.ts"

/** Reads whole events, the parts between two empty lines, until there are so many. */
async function eventsOf(body: ReadableStream<Uint8Array>, count: number): Promise<string[]> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let text = ""
  while (text.split("\n\n").length <= count) {
    const { value, done } = await reader.read()
    if (done) break
    text += decoder.decode(value, { stream: true })
  }
  await reader.cancel()
  return text.split("\n\n").slice(0, count)
}

function dataOf(event: string): { changes: { key: string; value: unknown }[]; state?: unknown } {
  const line = event.split("\n").find((text) => text.startsWith("data: ")) ?? ""
  return JSON.parse(line.slice("data: ".length))
}

test("each commit is an event whose id leads on behind it", async () => {
  const store = await temporaryStore()
  const table = store.table<number>("t")
  await table.put("a", 1)
  await table.put("b", 2)
  const body = serverSentEvents(table.changes({ after: "beginning" }), { retryMs: 500, event: "change" })
  const [retry, first, second] = await eventsOf(body, 3)
  expect(retry).toBe("retry: 500")
  expect(first?.split("\n").map((line) => line.slice(0, line.indexOf(":")))).toEqual(["id", "event", "data"])
  expect(first).toContain("\nevent: change\n")
  expect(dataOf(second ?? "").changes).toEqual([{ kind: "put", table: "t", key: "b", value: 2 }])
  const id = first?.split("\n")[0]?.slice("id: ".length)
  const after = lastEventId({ "last-event-id": id }) ?? ""
  const [, resumed] = await eventsOf(serverSentEvents(table.changes({ after })), 2)
  expect(dataOf(resumed ?? "").changes).toMatchObject([{ key: "b" }])
  await expect.poll(() => store.subscriptions()).toEqual([])
})

test("what a browser sends back from the middle of a state leads to the state anew", async () => {
  const store = await temporaryStore()
  const table = store.table<number>("t")
  await table.putMany(Array.from({ length: 1_500 }, (_, n) => [`k${n}`, n] as const))
  const [, piece] = await eventsOf(serverSentEvents(table.changes({ snapshot: true })), 2)
  const after = piece?.split("\n")[0]?.slice("id: ".length)
  const [, again] = await eventsOf(serverSentEvents(table.changes({ snapshot: true, after })), 2)
  expect(dataOf(again ?? "").state).toEqual({ isFirst: true, isLast: false })
})

test("silence is broken by comments, at the pace that was asked for", async () => {
  const store = await temporaryStore()
  const clock = new SimulatedClock()
  const body = serverSentEvents(store.changes(), { heartbeatMs: 1_000, clock })
  const reader = body.getReader()
  await reader.read()
  const texts: string[] = []
  for (let n = 0; n < 2; n++) {
    const read = reader.read()
    // The stream asks its source first.
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(999)
    clock.advance(1)
    texts.push(new TextDecoder().decode((await read).value))
  }
  expect(texts).toEqual([": still here\n\n", ": still here\n\n"])
  const last = reader.read()
  await new Promise((resolve) => setImmediate(resolve))
  await store.table("t").put("k", 1)
  expect(new TextDecoder().decode((await last).value)).toContain('"key":"k"')
  await reader.cancel()
})

test("text of several lines stays one event", async () => {
  const store = await temporaryStore()
  await store.table("t").put("k", 1)
  const body = serverSentEvents(store.changes({ after: 0 }), { data: () => "one\ntwo\r\nthree" })
  const [, event] = await eventsOf(body, 2)
  expect(event?.split("\n").slice(2)).toEqual(["data: one", "data: two", "data: three"])
})

test("what the data cannot be made of ends the bytes, and the subscription", async () => {
  const store = await temporaryStore()
  await store.table("t").put("k", 10n)
  const reader = serverSentEvents(store.changes({ after: 0 })).getReader()
  await reader.read()
  await expect(reader.read()).rejects.toThrow(TypeError)
  await expect.poll(() => store.subscriptions()).toEqual([])
})

test("a function that returns no text ends the bytes, and says so", async () => {
  const store = await temporaryStore()
  await store.table("t").put("k", 1)
  const data = ((commit: unknown) => commit) as () => string
  const reader = serverSentEvents(store.changes({ after: 0 }), { data }).getReader()
  await reader.read()
  await expect(reader.read()).rejects.toThrow("data must return a string, not object")
  await expect.poll(() => store.subscriptions()).toEqual([])
})

test("wrong options are refused", async () => {
  const store = await temporaryStore()
  expect(() => serverSentEvents(store.changes(), { event: "a\nb" })).toThrow("event must be a string of one line")
  expect(() => serverSentEvents(store.changes(), { retryMs: -1 })).toThrow("retryMs")
  expect(() => serverSentEvents(store.changes(), { heartbeatMs: 0 })).toThrow("heartbeatMs")
})

test("a header of whatever server is read, and none is none", () => {
  expect(lastEventId(new Headers({ "Last-Event-ID": "x" }))).toBe("x")
  expect(lastEventId(new Headers())).toBeUndefined()
  expect(lastEventId({ "last-event-id": "" })).toBeUndefined()
  expect(lastEventId({ "last-event-id": ["a", "b"] })).toBeUndefined()
})

test("a server of Node sends them, and a client that goes ends the subscription", async () => {
  const store = await temporaryStore()
  const table = store.table<number>("t")
  const server = createServer((request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    const after = lastEventId(request.headers)
    const events = serverSentEvents(table.changes({ snapshot: true, after }))
    const body = Readable.fromWeb(events as Parameters<typeof Readable.fromWeb>[0])
    response.on("close", () => body.destroy())
    body.on("error", () => response.destroy())
    body.pipe(response)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve)
  })
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const controller = new AbortController()
  const response = await fetch(`http://127.0.0.1:${port}/`, { signal: controller.signal })
  const writes = table.put("k", 1)
  const [, state] = await eventsOf(response.body as ReadableStream<Uint8Array>, 2)
  expect(dataOf(state ?? "").state).toEqual({ isFirst: true, isLast: true })
  await writes
  controller.abort()
  await expect.poll(() => store.subscriptions()).toEqual([])
})
