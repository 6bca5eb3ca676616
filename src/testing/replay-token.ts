// A failure in one word: what has to be done again, and where to crash. JSON, deflated, in the letters of base64url, so
// that it survives a shell and a chat.

import { deflateRawSync, inflateRawSync } from "node:zlib"
import { deserialize, serialize } from "node:v8"
import type { CrashFailure } from "./crash-search.ts"
import { canonicalText, isPlainData } from "./plain-data.ts"

/** What a token says. */
export interface ReplayPlan<Op> {
  readonly name: string
  /** Of the search that found it. */
  readonly seed: number
  /** The history; undefined where its operations are not data, and only the whole search can be done again. */
  readonly ops: readonly Op[] | undefined
  readonly runSeed: number
  readonly fingerprint: string
  /** Ids of the crash states: the crash, then those inside recoveries. */
  readonly crashes: readonly string[]
  /** Whether operations run afterwards. */
  readonly goesOn: boolean
}

const VERSION = 1
const SIZE_MAX = 16 * 1024 * 1024

export function tokenOf<Op, Result>(name: string, failure: CrashFailure<Op, Result>): string {
  const { seed, runSeed, fingerprint, violation, ops } = failure
  const crashes = violation.crashes.map(({ id }) => id)
  const later = violation.afterwards === undefined ? {} : { g: 1 }
  const plan = { v: VERSION, n: name, s: seed, r: runSeed, f: fingerprint, c: crashes, ...later, ...encodedOps(ops) }
  return deflateRawSync(JSON.stringify(plan)).toString("base64url")
}

/** Fails with: TypeError. */
export function planOf<Op>(token: string): ReplayPlan<Op> {
  try {
    const text = inflateRawSync(Buffer.from(token, "base64url"), { maxOutputLength: SIZE_MAX }).toString()
    const plan = JSON.parse(text) as Readonly<Record<string, unknown>>
    const { v: version, n: name, s: seed, r: runSeed, f: fingerprint, c: crashes, o: json, b: bytes } = plan
    if (
      version !== VERSION ||
      typeof name !== "string" ||
      !Number.isSafeInteger(seed) ||
      !Number.isSafeInteger(runSeed) ||
      typeof fingerprint !== "string" ||
      !Array.isArray(crashes) ||
      !crashes.every((id) => typeof id === "string" && /^\d+\.\d+$/.test(id))
    ) {
      throw new TypeError("it is not one of this version")
    }
    const ops: unknown = typeof bytes === "string" ? deserialize(Buffer.from(bytes, "base64")) : json
    return {
      name,
      seed: seed as number,
      ops: Array.isArray(ops) ? (ops as readonly Op[]) : undefined,
      runSeed: runSeed as number,
      fingerprint,
      crashes: crashes as readonly string[],
      goesOn: plan["g"] === 1,
    }
  } catch (error) {
    throw new TypeError("crash test: the replay token cannot be read; copy the whole of it", { cause: error })
  }
}

/** As JSON where that gives them back, else as V8 clones them, else not at all. */
function encodedOps(ops: readonly unknown[]): { readonly o?: unknown; readonly b?: string } {
  if (!isPlainData(ops)) return {}
  const json = attempt(() => JSON.parse(JSON.stringify(ops)) as unknown)
  if (json !== undefined && canonicalText(json) === canonicalText(ops)) return { o: ops }
  const bytes = attempt(() => serialize(ops))
  return bytes === undefined ? {} : { b: bytes.toString("base64") }
}

function attempt<Value>(work: () => Value): Value | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
