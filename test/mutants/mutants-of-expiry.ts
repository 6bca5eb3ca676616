// Seeded bugs in what makes keys expire.

import type { Mutant } from "./mutant.ts"

const STORE = "test/store/ttl.test.ts"
const PROPERTY = "test/property/keys-expire-once-and-never-early.property.test.ts"

export const expiryMutants: readonly Mutant[] = [
  {
    name: "expiry-without-a-second-look",
    file: "src/store/expiries.ts",
    find: "if (found.at <= nowMs) deletes.push(deletion(entry, key))",
    replace: "if (found.at > 0) deletes.push(deletion(entry, key))",
    story: "A key whose deadline was moved before its delete had its turn is deleted all the same.",
    tests: [STORE],
    only: "moved while the delete cannot be done",
  },
  {
    name: "put-keeps-the-deadline",
    file: "src/store/expiries.ts",
    find: "if (expiry === undefined) return { isThere: true, atMs: undefined }",
    replace: "if (expiry === undefined) return { isThere: true, atMs: this.#record(records, key)?.at }",
    story: "A value that was put to stay is deleted when the one before it would have ended.",
    tests: [STORE, PROPERTY],
    only: "a put without ttl takes it away",
  },
  {
    name: "wheel-forgets-the-rest-of-a-slot",
    file: "src/table/timer-wheel.ts",
    find: "else this.#place(timer)\n      timer = next",
    replace: "timer = next",
    story: "Of keys with deadlines far away those that share a slot with a nearer one never expire.",
    tests: ["test/table/timer-wheel.test.ts"],
  },
  {
    name: "steady-time-goes-back",
    file: "src/physics/steady-time.ts",
    find: "if (leadMs <= 0) return { nowMs, monotonicMs, aheadSinceMs: undefined }",
    replace: "if (leadMs <= 0) return { nowMs: wallMs, monotonicMs, aheadSinceMs: undefined }",
    story: "The wall clock is set back by hours, and keys live for hours longer.",
    tests: ["test/physics/steady-time.test.ts", STORE],
  },
]
