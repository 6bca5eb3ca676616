// The Merkle root of a state of the past is that which the store had then.

import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"

test("a state of the past has the root that the store had behind that commit", async () => {
  const platform = simulatePlatform({ seed: 1 })
  const store = await untilSettled(platform, open("/data", { platform, shards: 3, checkpoint: false, merkle: true }))
  const table = store.table<unknown>("t")
  const entries = Array.from({ length: 1_500 }, (_, n) => [`key ${n}`, { n, date: new Date(n) }] as const)
  const roots = [await untilSettled(platform, store.merkleRoot())]
  const steps: readonly (() => Promise<unknown>)[] = [
    () => table.putMany(entries),
    () => table.delete("key 7"),
    () => store.table("other").put("key 7", [1, 2n]),
    () => store.checkpoint(),
    () => table.put("key 7", { n: 7 }),
  ]
  for (const work of steps) {
    await untilSettled(platform, work())
    roots.push(await untilSettled(platform, store.merkleRoot()))
  }
  expect(new Set(roots.map(({ root }) => root)).size).toBe(5)
  for (const root of roots) {
    const past = await untilSettled(platform, open("/data", { platform, readOnly: true, at: root.lsn }))
    expect(await untilSettled(platform, past.merkleRoot())).toEqual(root)
    await past.close()
  }
  await untilSettled(platform, store.close())
})

test("the root of a state that is closed meanwhile, or was before, is refused", async () => {
  const platform = simulatePlatform({ seed: 2 })
  const store = await untilSettled(platform, open("/data", { platform }))
  await untilSettled(platform, store.table("t").put("key", 1))
  await untilSettled(platform, store.close())
  const past = await untilSettled(platform, open("/data", { platform, readOnly: true }))
  const root = past.merkleRoot()
  await past.close()
  await expect(untilSettled(platform, root)).rejects.toMatchObject({ code: "ORRERY_CLOSED" })
  await expect(past.merkleRoot()).rejects.toMatchObject({ code: "ORRERY_CLOSED" })
})
