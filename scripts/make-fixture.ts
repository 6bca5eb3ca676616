// Makes test/fixtures/v1: a small store of format version 1, with fixed seeds and a clock that stands still. Run once;
// the directory is never edited, and the script refuses to write over it. A new format version gets a directory beside it.

import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { open } from "../src/index.ts"
import { FORMAT_VERSION } from "../src/format/manifest.ts"
import { simulatePlatform } from "../src/simulation/simulated-platform.ts"

const target = fileURLToPath(new URL(`../test/fixtures/v${FORMAT_VERSION}`, import.meta.url))

if (existsSync(join(target, "manifest-0"))) throw new Error(`${target} is there already: fixtures are never made again`)

const platform = simulatePlatform({ seed: 20260101 })
const options = { platform, shards: 2, segmentBytes: 4096 }

// Two owners, so that there is more than one epoch; the second is killed, so that there is a tail without a seal.
const first = await open("/data", options)
for (let n = 0; n < 40; n++) {
  const city = { name: `city ${n}`, population: n * 1_000, coordinates: { lat: n / 2, lon: -n / 4 } }
  await first.table("cities").put(`key ${n}`, city)
  platform.clock.advance(10)
}
await first.table("cities").delete("key 7")
await first.batch((batch) => {
  batch.put(first.table("notes"), "ключ", "text with an ä")
  batch.put(first.table("notes"), "", null)
  batch.put(first.table("numbers"), "pi", Math.PI)
  batch.delete(first.table("cities"), "key 8")
})
await first.close()

const second = await open("/data", options)
await second.table("numbers").put("negative zero", -0)
await second.table("numbers").put("huge", 12345678901234567890n)
await second.table("notes").put("list", [1, "two", { three: true }, [undefined]])
await second.table("cities").put("key 9", { name: "changed", population: -1, coordinates: { lat: 0, lon: 0 } })

const files = platform.fileSystem.crash("kill").files()
mkdirSync(target, { recursive: true })
for (const [path, bytes] of files) {
  const name = basename(path)
  // Locks belong to a process, not to the format.
  if (!name.startsWith("LOCK")) writeFileSync(join(target, name), bytes)
}
