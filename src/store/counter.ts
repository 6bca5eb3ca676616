// What an increment makes of a counter: exact, or refused.

import { NotACounter } from "../model/transaction-errors.ts"

/** A counter's next value. Throws NotACounter. */
export function incremented(table: string, key: string, value: unknown, by: number | bigint): number | bigint {
  if (value === undefined) return by
  if (typeof value === "bigint") {
    if (typeof by === "number" && !Number.isSafeInteger(by)) {
      throw new NotACounter(table, key, `it holds a bigint, and ${by} is none`, "Increment it by a whole number")
    }
    return value + BigInt(by)
  }
  if (typeof value !== "number") {
    const kind = value === null ? "null" : typeof value
    throw new NotACounter(table, key, `it holds a value of type ${kind}`, "Use update, or another key")
  }
  if (typeof by === "bigint") {
    throw new NotACounter(table, key, "it holds a number, and is incremented by a bigint", "Increment it by a number")
  }
  const sum = value + by
  if (Number.isSafeInteger(value) && Number.isSafeInteger(by) && !Number.isSafeInteger(sum)) {
    throw new NotACounter(
      table,
      key,
      `${sum} is beyond what a number counts exactly`,
      "Put a bigint, and count on with that",
    )
  }
  return sum
}
