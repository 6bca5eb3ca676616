// What becomes of the option `merkle`: see settings.ts.

import type { MerkleRules } from "../actors/merkle-rules.ts"
import { integer, isBoolean, optional, record, show } from "./option-checks.ts"
import type { MerkleOptions } from "./options.ts"

const MERKLE_DEFAULTS: Required<MerkleOptions> = {
  refreshMs: 1_000,
  recordMs: 60_000,
  verify: "before",
  allowMismatch: false,
}
const DAY_MS = 86_400_000

/** Throws a TypeError. */
export function merkleFrom(value: unknown): MerkleRules {
  if (value === undefined || value === false) return { isKept: false, ...MERKLE_DEFAULTS }
  if (value === true) return { isKept: true, ...MERKLE_DEFAULTS }
  const given = record("merkle", value, Object.keys(MERKLE_DEFAULTS))
  const { refreshMs, recordMs, allowMismatch } = MERKLE_DEFAULTS
  const { verify = MERKLE_DEFAULTS.verify } = given
  if (verify !== "before" && verify !== "behind" && verify !== "never") {
    throw new TypeError(`merkle.verify must be "before", "behind" or "never", not ${show(verify)}`)
  }
  return {
    isKept: true,
    refreshMs: integer("merkle.refreshMs", given["refreshMs"], refreshMs, 1, DAY_MS, "milliseconds"),
    recordMs: integer("merkle.recordMs", given["recordMs"], recordMs, 1, DAY_MS, "milliseconds"),
    verify,
    allowMismatch: optional("merkle.allowMismatch", given["allowMismatch"], "boolean", isBoolean) ?? allowMismatch,
  }
}
