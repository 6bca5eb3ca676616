// The board example: its events over plain HTTP, and its page in a real browser, with the server killed in between. No commit
// is missed, none comes twice, and the ranked table is that of the store.

import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { expect, onTestFinished, test } from "vitest"
import { applyDeltas } from "../../src/index.ts"
import type { LiveDelta, LiveRow } from "../../src/index.ts"
import { temporaryDirectory } from "../store/temporary-store.ts"

const CHROMIUM = process.env["ORRERY_CHROMIUM"] ?? "/usr/bin/chromium"
const MAIN = join(import.meta.dirname, "../../examples/board/main.ts")

interface Board {
  readonly url: string
  readonly kill: () => Promise<void>
}

async function startBoard(directory: string, port: number = 0): Promise<Board> {
  const given = ["--dir", directory, "--port", String(port), "--cities", "300", "--still"]
  const child: ChildProcess = spawn(process.execPath, [MAIN, ...given], { stdio: ["ignore", "pipe", "inherit"] })
  const ended = once(child, "exit")
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL")
    await ended
  }
  onTestFinished(kill)
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const [url] = (await Promise.race([
    once(lines, "line"),
    ended.then(() => Promise.reject(new Error("it ended"))),
  ])) as [string]
  return { url, kill }
}

async function setPopulation(url: string, key: string, population: number): Promise<number> {
  const response = await fetch(`${url}/cities/${key}`, { method: "POST", body: JSON.stringify({ population }) })
  if (!response.ok) throw new Error(await response.text())
  return ((await response.json()) as { lsn: number }).lsn
}

interface ServerEvent {
  readonly event: string
  readonly id: number
  readonly data: unknown
}

/** The events of a connection, until somebody has enough of them. */
async function* eventsOf(
  url: string,
  lastEventId?: number,
  search: string = "",
): AsyncGenerator<ServerEvent, undefined> {
  const headers: Record<string, string> = lastEventId === undefined ? {} : { "last-event-id": String(lastEventId) }
  const ending = new AbortController()
  const response = await fetch(`${url}/events${search}`, { headers, signal: ending.signal })
  expect(response.headers.get("content-type")).toBe("text/event-stream")
  let text = ""
  try {
    for await (const chunk of (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
      text += chunk
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const fields = new Map(
          text
            .slice(0, end)
            .split("\n")
            .map((line) => line.split(/: (.*)/s) as [string, string]),
        )
        text = text.slice(end + 2)
        if (!fields.has("event")) continue
        yield {
          event: fields.get("event") ?? "",
          id: Number(fields.get("id") ?? Number.NaN),
          data: JSON.parse(fields.get("data") ?? "null"),
        }
      }
    }
  } finally {
    ending.abort()
  }
  return undefined
}

/** Commits and rows of a connection, up to a commit. */
async function follow(url: string, to: number, lastEventId?: number): Promise<{ ids: number[]; rows: LiveRow[] }> {
  const ids: number[] = []
  let rows: LiveRow[] = []
  let rowsLsn = 0
  for await (const { event, id, data } of eventsOf(url, lastEventId)) {
    if (event === "commit") ids.push(id)
    if (event === "rows") {
      const batch = data as { lsn: number; deltas: LiveDelta[]; isFirst: boolean }
      rows = applyDeltas(batch.isFirst ? [] : rows, batch.deltas)
      rowsLsn = batch.lsn
    }
    if ((ids.at(-1) ?? 0) >= to && rowsLsn >= to) break
  }
  return { ids, rows }
}

interface City {
  readonly country: string
  readonly population: number
}

/** The rows that a connection begins with. */
async function firstRows(url: string, search?: string): Promise<LiveDelta<City>[]> {
  for await (const { event, data } of eventsOf(url, undefined, search)) {
    if (event === "rows") return (data as { deltas: LiveDelta<City>[] }).deltas
  }
  return []
}

test("a client that comes again with its last id misses no commit and gets none twice, over a kill of the server", async () => {
  const directory = join(await temporaryDirectory(), "board")
  const board = await startBoard(directory)
  const shown = await firstRows(board.url)
  const keys = shown.map(({ key }) => key)
  expect(keys).toHaveLength(20)
  const { country } = (shown[0] as LiveDelta<City>).value
  const ofCountry = await firstRows(board.url, `?country=${encodeURIComponent(country)}`)
  expect(new Set(ofCountry.map(({ value }) => value.country))).toEqual(new Set([country]))
  const largest = shown.filter(({ value }) => value.country === country).map(({ key }) => key)
  expect(ofCountry.slice(0, largest.length).map(({ key }) => key)).toEqual(largest)
  const acknowledged: number[] = []
  const seen: number[] = []
  const reading = (async () => {
    for await (const { event, id } of eventsOf(board.url)) {
      if (event === "commit") seen.push(id)
      if (seen.length === 5) return
    }
  })()
  for (let n = 0; n < 12; n++) acknowledged.push(await setPopulation(board.url, keys[n] as string, 50_000_000 + n))
  await reading
  const last = seen.at(-1) as number
  const late = Promise.allSettled(keys.map((key) => setPopulation(board.url, key, 60_000_000)))
  await board.kill()
  for (const outcome of await late) if (outcome.status === "fulfilled") acknowledged.push(outcome.value)

  const again = await startBoard(directory)
  const [first] = keys as [string]
  for (let n = 0; n < 5; n++) acknowledged.push(await setPopulation(again.url, first, 70_000_000 + n))
  const to = Math.max(...acknowledged)
  const { ids, rows } = await follow(again.url, to, last)
  const all = [...seen, ...ids]
  expect(all).toEqual([...new Set(all)].sort((left, right) => left - right))
  expect(all).toEqual(expect.arrayContaining(acknowledged.filter((lsn) => lsn >= (seen[0] as number))))
  expect(rows).toHaveLength(20)
  expect(rows[0]).toMatchObject({ key: first, value: { population: 70_000_004 } })
  const populations = rows.map(({ value }) => (value as { population: number }).population)
  expect(populations).toEqual(populations.toSorted((left, right) => right - left))
})

test("requests that make no sense are refused, and the board goes on", async () => {
  const board = await startBoard(join(await temporaryDirectory(), "board"))
  const post = async (path: string, body: string): Promise<number> =>
    (await fetch(board.url + path, { method: "POST", body })).status
  expect(await post("/cities/none", '{"population":1}')).toBe(400)
  expect(await post("/cities/none", "{")).toBe(400)
  expect(await post("/cities/none", '{"population":"1"}')).toBe(400)
  expect(await post("/elsewhere", "")).toBe(404)
  expect(await (await fetch(board.url)).text()).toContain("<title>Orrery")
})

test.skipIf(!existsSync(CHROMIUM))(
  `the page in a browser shows the same over a kill of the server (needs Chromium: node scripts/install-chromium.ts)`,
  async () => {
    const { chromium } = await import("playwright-core")
    const directory = join(await temporaryDirectory(), "board")
    const board = await startBoard(directory)
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] })
    onTestFinished(() => browser.close())
    const page = await browser.newPage()
    await page.goto(board.url)
    await page.waitForSelector("#rows tr:nth-child(20)")
    const top = page.locator("#rows tr").first()
    const key = (await page.locator("#rows tr").nth(4).getAttribute("data-key")) ?? ""
    const lsns = [await setPopulation(board.url, key, 90_000_000)]
    await page.waitForSelector(`#ticker li[data-lsn="${lsns[0]}"]`)
    await page.waitForSelector(`#rows tr:first-child[data-key="${key}"]`)
    expect(await top.textContent()).toContain("90,000,000")

    await board.kill()
    await page.waitForSelector('#state:text("reconnecting")')
    const again = await startBoard(directory, Number(new URL(board.url).port))
    for (let n = 0; n < 5; n++) lsns.push(await setPopulation(again.url, key, 80_000_000 + n))
    await page.waitForSelector(`#ticker li[data-lsn="${lsns.at(-1)}"]`)
    await page.waitForSelector('#rows tr:first-child:has-text("80,000,004")')
    const shown = await page
      .locator("#ticker li")
      .evaluateAll((lines) =>
        lines.map((line) => Number((line as unknown as { dataset: { lsn: string } }).dataset.lsn)),
      )
    expect(shown.toReversed()).toEqual(lsns)
  },
)
