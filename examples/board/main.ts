// `node examples/board/main.ts [--dir <path>] [--port <n>] [--cities <n>] [--still]`: a live board of the largest cities in
// the browser. Puts the data set into the store if it is empty, serves it on this machine, and, unless it is to be still,
// lets some of the large cities grow and shrink. Ends with Ctrl-C; killed in any other way it loses nothing.

import { parseArgs } from "node:util"
import { open } from "../../src/index.ts"
import type { Store } from "../../src/index.ts"
import { keyOf, loadDataSet } from "../cities/data-set.ts"
import type { City } from "../cities/data-set.ts"
import { serveBoard } from "./board-server.ts"

const BATCH_COUNT = 1_000
const LARGE_COUNT = 60
const CHANGE_MS = 400

async function fill(store: Store, rowCountMax: number): Promise<void> {
  const cities = store.table<City>("cities")
  if (cities.size > 0) return
  const { cities: all } = await loadDataSet(rowCountMax)
  for (let at = 0; at < all.length; at += BATCH_COUNT) {
    await cities.putMany(all.slice(at, at + BATCH_COUNT).map((city) => [keyOf(city), city] as const))
  }
}

/** Changes a large city again and again. */
function move(store: Store): () => void {
  const cities = store.table<City>("cities")
  const keys = [...cities.entries()]
    .sort(([, left], [, right]) => right.population - left.population)
    .slice(0, LARGE_COUNT)
    .map(([key]) => key)
  const timer = setInterval(() => {
    const key = keys[Math.floor(Math.random() * keys.length)]
    if (key === undefined) return
    const grow = (city: City | undefined): City => {
      if (city === undefined) throw new TypeError(`the city ${key} has gone`)
      return { ...city, population: Math.round(city.population * (0.9 + 0.2 * Math.random())) }
    }
    cities.update(key, grow).catch((error: unknown) => console.error(error))
  }, CHANGE_MS)
  return () => clearInterval(timer)
}

const { values } = parseArgs({
  options: {
    dir: { type: "string", default: "./board-data" },
    port: { type: "string", default: "8080" },
    cities: { type: "string", default: "1000000" },
    still: { type: "boolean", default: false },
  },
})
const store = await open(values.dir)
await fill(store, Number(values.cities))
const board = await serveBoard(store, Number(values.port))
const stop = values.still ? (): void => undefined : move(store)
console.log(board.url)
process.once("SIGINT", () => {
  stop()
  void board.close().then(() => store.close())
})
