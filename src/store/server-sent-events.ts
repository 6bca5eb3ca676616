// A stream of changes as server-sent events (WHATWG HTML, 9.2), as bytes for the body of a response: one event a commit,
// whose id is the cursor, so that a browser that reconnects says by itself where it goes on.
//
//   retry: 2000
//
//   id: o1.QmFzZTY0dXJsIG9mIGl0Lg.4f
//   event: commit
//   data: {"lsn":159,"timeMs":1700000000000,"changes":[{"kind":"put","table":"users","key":"ada","value":{…}}]}
//
//   : still here
//
// Guarantees: the reader of the bytes sets the pace; what it does not take stays in the log. Knows no HTTP: any server
// that takes a Web stream as a body will do.

import type { Commit } from "../model/change.ts"
import type { Clock, Timer } from "../platform/clock.ts"
import { nodeClock } from "../platform/node/node-clock.ts"
import type { ChangeStream } from "../streams/change-stream.ts"
import { integer, record } from "./option-checks.ts"

export interface ServerSentEventsOptions<Value = unknown> {
  /** Name of the events. Default "commit". */
  readonly event?: string
  /** What is sent of a commit, as text. Default: JSON of it, without the cursor. */
  readonly data?: (commit: Commit<Value>) => string
  /** Milliseconds after which a browser that lost the connection tries again. Default 2,000. */
  readonly retryMs?: number
  /** Milliseconds without an event after which a comment keeps the connection alive. Default 15,000. */
  readonly heartbeatMs?: number
  /** For tests. */
  readonly clock?: Clock
}

const RETRY_MS_DEFAULT = 2_000
const HEARTBEAT_MS_DEFAULT = 15_000
const TIME_MS_MAX = 2 ** 31 - 1

/**
 * The events of a stream, as UTF-8. Cancelling it ends the subscription.
 *
 * Fails with: TypeError; the bytes with what the stream fails with, and with what `data` throws: JSON knows no bigint.
 *
 * ```ts
 * const after = lastEventId(request.headers)
 * const stream = users.changes(after === undefined ? { snapshot: true } : { snapshot: true, after })
 * return new Response(serverSentEvents(stream), { headers: { "content-type": "text/event-stream" } })
 * ```
 */
export function serverSentEvents<Value>(
  stream: ChangeStream<Value>,
  options: ServerSentEventsOptions<Value> = {},
): ReadableStream<Uint8Array> {
  record("options", options, ["event", "data", "retryMs", "heartbeatMs", "clock"])
  const { event = "commit", data = jsonOf, clock = nodeClock } = options
  const retryMs = integer("retryMs", options.retryMs, RETRY_MS_DEFAULT, 0, TIME_MS_MAX, "milliseconds")
  const heartbeatMs = integer("heartbeatMs", options.heartbeatMs, HEARTBEAT_MS_DEFAULT, 1, TIME_MS_MAX, "milliseconds")
  if (typeof event !== "string" || /[\r\n]/.test(event)) throw new TypeError("event must be a string of one line")
  if (typeof data !== "function") throw new TypeError("data must be a function of a commit")
  const encoder = new TextEncoder()
  let reader: ReadableStreamDefaultReader<Commit<Value>> | undefined
  let coming: ReturnType<NonNullable<typeof reader>["read"]> | undefined
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        controller.enqueue(encoder.encode(`retry: ${retryMs}\n\n`))
      },
      async pull(controller) {
        reader ??= stream.readable().getReader()
        coming ??= reader.read()
        const result = await within(coming, clock, heartbeatMs)
        if (result === "late") return controller.enqueue(encoder.encode(": still here\n\n"))
        coming = undefined
        if (result.done) return controller.close()
        try {
          controller.enqueue(encoder.encode(eventOf(event, result.value.cursor, data(result.value))))
        } catch (error) {
          await reader.cancel(error)
          throw error
        }
      },
      async cancel(reason) {
        await reader?.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
}

/**
 * Where a browser that reconnects goes on: what it sends as Last-Event-ID. Undefined where it sends none. What a stranger
 * sends may be no cursor at all: `changes` then fails with CursorRefused.
 */
export function lastEventId(
  headers: { get(name: string): string | null } | Readonly<Record<string, string | readonly string[] | undefined>>,
): string | undefined {
  const found = isHeaders(headers) ? headers.get("last-event-id") : headers["last-event-id"]
  return typeof found === "string" && found !== "" ? found : undefined
}

function isHeaders(headers: object): headers is { get(name: string): string | null } {
  return "get" in headers && typeof headers.get === "function"
}

function jsonOf({ lsn, timeMs, changes, state, merged }: Commit): string {
  const own = changes.map(({ kind, table, key, value, before }) => ({ kind, table, key, value, before }))
  return JSON.stringify({ lsn, timeMs, changes: own, state, merged })
}

function eventOf(event: string, cursor: string, data: unknown): string {
  if (typeof data !== "string") throw new TypeError(`data must return a string, not ${typeof data}`)
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`)
  return `id: ${cursor}\nevent: ${event}\n${lines.join("")}\n`
}

/** What it resolves to, or "late" when it takes longer: it goes on then. */
async function within<Result>(work: Promise<Result>, clock: Clock, delayMs: number): Promise<Result | "late"> {
  let timer: Timer | undefined
  const late = new Promise<"late">((resolve) => {
    timer = clock.after(delayMs, () => resolve("late"), true)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    timer?.cancel()
  }
}
