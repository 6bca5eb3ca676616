// A board over HTTP, on this machine only: the largest cities as a live ranked table, and a ticker of every change, both
// over server-sent events. The store is all that there is: a server that was killed goes on where its log ends.
//
//   GET  /              the page
//   GET  /events        server-sent events: `rows`, the ranked table as deltas; `commit`, with the commit's LSN as its id;
//                       with `?country=DE` the table has the cities of that country only
//   POST /cities/<id>   { "population": n }, answered with { "lsn": n } when it is on the disk
//
// A browser that has lost its connection sends the id of the last commit that it got, and the change feed goes on behind
// that: none is missed, none comes twice. The table begins anew, which is what its deltas are made for.

import { createServer } from "node:http"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { CursorExpired } from "../../src/index.ts"
import type { LiveQuery, Store, TableHandle } from "../../src/index.ts"
import type { City } from "../cities/data-set.ts"
import { page } from "./page.ts"

/** What the board shows of a city. */
export interface BoardRow {
  readonly name: string
  readonly country: string
  readonly population: number
}

const ROW_COUNT = 20
const BODY_SIZE_MAX = 1_000

export class BoardServer {
  readonly url: string
  readonly #server: Server
  readonly #query: LiveQuery<BoardRow>

  constructor(server: Server, query: LiveQuery<BoardRow>) {
    const { port } = server.address() as AddressInfo
    this.url = `http://127.0.0.1:${port}`
    this.#server = server
    this.#query = query
  }

  async close(): Promise<void> {
    this.#query.close()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

const byPopulation = [{ by: ({ population }: City): number => population, direction: "descending" }] as const

/** One function, wherever the table is opened: that is what makes it the same index. */
const countryOf = ({ country }: City): string => country

const rowOf = ({ name, country, population }: City): BoardRow => ({ name, country, population })

/** Serves the table "cities" of the store; port 0: any that is free. */
export async function serveBoard(store: Store, port: number): Promise<BoardServer> {
  const cities = store.table<City>("cities", { indexes: { country: countryOf } })
  const query = cities.live({ orderBy: byPopulation, limit: ROW_COUNT, select: rowOf })
  await query.ready
  const server = createServer((request, response) => {
    answer(store, cities, query, request, response).catch((error: unknown) => {
      // The other end has gone, or the request made no sense; whoever is still there is told.
      if (!response.headersSent) response.writeHead(400, { "content-type": "text/plain" })
      response.end(String(error))
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, "127.0.0.1", resolve)
  })
  return new BoardServer(server, query)
}

async function answer(
  store: Store,
  cities: TableHandle<City>,
  query: LiveQuery<BoardRow>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method } = request
  const { pathname: url, searchParams } = new URL(request.url ?? "/", "http://board")
  if (method === "GET" && url === "/") {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page)
  } else if (method === "GET" && url === "/events") {
    const equals = searchParams.get("country")
    if (equals === null) return sendEvents(store, cities, query, request, response)
    // One for each connection: a change costs those of its country, and not those of others.
    using own = cities.live({ index: "country", equals, orderBy: byPopulation, limit: ROW_COUNT, select: rowOf })
    await sendEvents(store, cities, own, request, response)
  } else if (method === "POST" && url.startsWith("/cities/")) {
    const { population } = JSON.parse(await bodyOf(request)) as { readonly population: unknown }
    if (typeof population !== "number") throw new TypeError("population must be a number")
    const { lsn } = await cities.update(decodeURIComponent(url.slice("/cities/".length)), (city) => {
      if (city === undefined) throw new TypeError("there is no such city")
      return { ...city, population }
    })
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ lsn }))
  } else {
    response.writeHead(404).end()
  }
}

async function sendEvents(
  store: Store,
  cities: TableHandle<City>,
  query: LiveQuery<BoardRow>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const ending = new AbortController()
  response.once("close", () => ending.abort())
  const last = Number(request.headers["last-event-id"] ?? Number.NaN)
  const after = Number.isSafeInteger(last) && last >= 0 ? { after: last } : {}
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" })
  // Anew soon after the server has gone.
  response.write("retry: 250\n\n")
  const deltas = query.deltas()[Symbol.asyncIterator]()
  ending.signal.addEventListener("abort", () => void deltas.return?.())
  const sendRows = async (): Promise<void> => {
    let isFirst = true
    for (;;) {
      const { value: batch, done } = await deltas.next()
      if (done === true) return
      await send(response, ending.signal, { event: "rows", data: { ...batch, isFirst } })
      isFirst = false
    }
  }
  const sendCommits = async (): Promise<void> => {
    const stream = cities.changes({ ...after, signal: ending.signal })
    if (after.after === undefined) await send(response, ending.signal, { event: "hello", id: stream.position })
    for await (const { lsn, changes } of stream) {
      const data = changes.map(({ key, value }) => ({ key, ...shown(value) }))
      await send(response, ending.signal, { event: "commit", id: lsn, data })
    }
  }
  try {
    await Promise.all([sendRows(), sendCommits()])
  } catch (error) {
    if (ending.signal.aborted) return
    // What it has missed is gone from the log: it is told, and begins anew.
    if (error instanceof CursorExpired) {
      await send(response, ending.signal, { event: "expired", id: store.metrics().log.durableLsn })
    }
    response.end()
  } finally {
    await deltas.return?.()
  }
}

function shown(city: City | undefined): Partial<BoardRow> {
  return city === undefined ? {} : { name: city.name, country: city.country, population: city.population }
}

interface ServerEvent {
  readonly event: string
  readonly id?: number
  readonly data?: unknown
}

/** Resolves when the other end has taken it, so that who is slow holds up nothing but its own iterations. */
async function send(response: ServerResponse, signal: AbortSignal, { event, id, data }: ServerEvent): Promise<void> {
  const head = id === undefined ? "" : `id: ${id}\n`
  const isTaken = response.write(`event: ${event}\n${head}data: ${JSON.stringify(data ?? null)}\n\n`)
  if (isTaken || signal.aborted) return
  await new Promise<void>((resolve) => {
    response.once("drain", resolve)
    response.once("close", resolve)
  })
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ""
  request.setEncoding("utf8")
  for await (const chunk of request) {
    text += String(chunk)
    if (text.length > BODY_SIZE_MAX) throw new TypeError("the body is too large")
  }
  return text
}
