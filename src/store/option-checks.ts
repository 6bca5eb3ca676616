// How arguments are checked: each throws a TypeError that names the option, what it was given, and what it takes.

import { DURABILITIES } from "../model/durability.ts"
import type { Durability } from "../model/durability.ts"

/** The durability, undefined where none is given. Throws a TypeError for anything else. */
export function durabilityFrom(name: string, value: unknown): Durability | undefined {
  if (value === undefined) return undefined
  const found = DURABILITIES.find((durability) => durability === value)
  if (found !== undefined) return found
  throw new TypeError(`${name} must be one of "${DURABILITIES.join('", "')}", not ${show(value)}`)
}

/** An object that has no other names than these. */
export function record(name: string, value: unknown, allowed: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`${name} must be an object, not ${show(value)}`)
  }
  for (const key of Object.keys(value)) {
    if (!allowed.includes(key)) {
      throw new TypeError(`${name} has no "${key}"; it takes ${allowed.map((known) => `"${known}"`).join(", ")}`)
    }
  }
  return value as Readonly<Record<string, unknown>>
}

/** A whole number within bounds. Throws a TypeError. */
export function integer(
  name: string,
  value: unknown,
  fallback: number,
  low: number,
  high: number,
  unit?: string,
): number {
  if (value === undefined) return fallback
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= low && value <= high) return value
  const inUnits = unit === undefined ? "" : ` in ${unit}`
  throw new TypeError(`${name} must be a whole number${inUnits} from ${low} to ${high}, not ${show(value)}`)
}

/** A part of a whole, from 0 to 1. Throws a TypeError. */
export function share(name: string, value: unknown, fallback: number): number {
  if (value === undefined) return fallback
  if (typeof value === "number" && value >= 0 && value <= 1) return value
  throw new TypeError(`${name} must be a number from 0 to 1, not ${show(value)}`)
}

/** A value of this kind, if there is one. Throws a TypeError. */
export function optional<T>(
  name: string,
  value: unknown,
  kind: string,
  is: (value: unknown) => value is T,
): T | undefined {
  if (value === undefined) return undefined
  if (is(value)) return value
  throw new TypeError(`${name} must be of type ${kind}, not ${show(value)}`)
}

export function isBoolean(value: unknown): value is boolean {
  return typeof value === "boolean"
}

export function isSignal(value: unknown): value is AbortSignal {
  return value instanceof AbortSignal
}

/** Throws the signal's reason, and a TypeError for what is no signal. */
export function throwIfAborted(signal: unknown): void {
  optional("signal", signal, "AbortSignal", isSignal)?.throwIfAborted()
}

/** A value, for the text of an error. Runs no code of the value. */
export function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value)
  if (typeof value === "function") return "a function"
  if (typeof value !== "object" || value === null) return String(value)
  return Array.isArray(value) ? "an array" : "an object"
}
