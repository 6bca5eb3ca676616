// What a single copy of an object would do, for the linearizability checker: the common objects, and the interface for
// others. A model is a pure function of states that are never changed.

import type { ListElement } from "./check-transactions.ts"

/** What was asked, and what came back if that is known. */
export interface Call<Operation, Result> {
  readonly operation: Operation
  /** Undefined where nothing came back. */
  readonly result: Result | undefined
  /** False where the outcome is unknown: any result would do. */
  readonly isKnown: boolean
}

export interface SequentialModel<State, Operation, Result> {
  readonly initial: State
  /** Whether the object in this state could have given this answer, and its state afterwards. Depends on nothing else. */
  step(state: State, call: Call<Operation, Result>): readonly [isPossible: boolean, state: State]
  /**
   * Names a state: two states have the same name exactly where they are equal. Default: its JSON; states that JSON does
   * not tell apart, like those with a Map in them, need this.
   */
  hash?(state: State): string | number
  /**
   * Whether a call with this answer cannot have changed anything, in any state: a read, a compare and set that failed.
   * Such calls are taken as soon as they fit, which is faster by far. Default: none is known to be one.
   */
  isRead?(call: Call<Operation, Result>): boolean
  /** Operations on different keys are checked apart, which is faster by far. Only for objects that share nothing. */
  partition?(operation: Operation): number | string
}

/** Anything that JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

interface Keyed {
  /** The object; each key is one of its own. */
  readonly key?: ListElement
}

export type RegisterOperation = Keyed &
  (
    | { readonly kind: "read" }
    | { readonly kind: "write"; readonly value: Json }
    | { readonly kind: "cas"; readonly from: Json; readonly to: Json }
  )

export type CounterOperation = Keyed & ({ readonly kind: "read" } | { readonly kind: "add"; readonly amount: number })

export type SetOperation = Keyed &
  ({ readonly kind: "read" } | { readonly kind: "add" | "remove" | "has"; readonly value: Json })

export type ListCallOperation = Keyed & ({ readonly kind: "read" } | { readonly kind: "append"; readonly value: Json })

/**
 * A value that is read, written, and compared and set. Results: the value of a read, null at first unless `initial` says
 * otherwise; whether a cas took place.
 */
function register(initial: Json = null): SequentialModel<Json, RegisterOperation, Json> {
  return {
    initial,
    partition,
    isRead: ({ operation, result }) => operation.kind === "read" || (operation.kind === "cas" && result === false),
    step: (state, { operation, result }) => {
      switch (operation.kind) {
        case "read":
          return [agrees(result, state), state]
        case "write":
          return [true, operation.value]
        case "cas": {
          const takesPlace = nameOf(state) === nameOf(operation.from)
          return [agrees(result, takesPlace), takesPlace ? operation.to : state]
        }
      }
    },
  }
}

/** A number. Results: its value, after what was added to it. */
function counter(initial = 0): SequentialModel<number, CounterOperation, number> {
  return {
    initial,
    partition,
    isRead: isPlainRead,
    step: (state, { operation, result }) => {
      const after = operation.kind === "add" ? state + operation.amount : state
      return [agrees(result, after), after]
    },
  }
}

/** A set of values. Results: whether an add or remove changed it, whether it has a value, or all of it in any order. */
function set(initial: readonly Json[] = []): SequentialModel<readonly string[], SetOperation, Json> {
  return {
    initial: named(initial),
    partition,
    hash: (state) => state.join("\n"),
    isRead: ({ operation, result }) => operation.kind === "read" || operation.kind === "has" || result === false,
    step: (state, { operation, result }) => {
      if (operation.kind === "read") {
        const isEqual = result === undefined || (Array.isArray(result) && agrees(named(result), state))
        return [isEqual, state]
      }
      const name = nameOf(operation.value)
      const isIn = state.includes(name)
      switch (operation.kind) {
        case "has":
          return [agrees(result, isIn), state]
        case "add":
          return [agrees(result, !isIn), isIn ? state : [...state, name].sort()]
        case "remove":
          return [agrees(result, isIn), isIn ? state.filter((other) => other !== name) : state]
      }
    },
  }
}

/** A list. Results: all of it, for a read; nothing, or its length, for an append. */
function listAppend(initial: readonly Json[] = []): SequentialModel<readonly Json[], ListCallOperation, Json> {
  return {
    initial,
    partition,
    isRead: isPlainRead,
    step: (state, { operation, result }) => {
      if (operation.kind === "read") return [agrees(result, state), state]
      return [agrees(result, state.length + 1), [...state, operation.value]]
    },
  }
}

export interface Models {
  readonly register: typeof register
  readonly counter: typeof counter
  readonly set: typeof set
  readonly listAppend: typeof listAppend
}

export const models: Models = { register, counter, set, listAppend }

/** The name of a state that JSON tells apart. Throws TypeError for others. */
export function nameOf(state: unknown): string {
  return JSON.stringify(state, refuseOthers) ?? refuse(state)
}

/** Whether what came back is what should have; nothing that came back agrees with all. */
function agrees(result: Json | undefined, expected: Json): boolean {
  return result === undefined || result === expected || nameOf(result) === nameOf(expected)
}

function isPlainRead({ operation }: { readonly operation: { readonly kind: string } }): boolean {
  return operation.kind === "read"
}

function partition(operation: Keyed): number | string {
  return operation.key ?? ""
}

function named(values: readonly Json[]): string[] {
  return values.map(nameOf).sort()
}

/** Keeps JSON from turning different states into the same text. */
function refuseOthers(this: unknown, name: string, given: unknown): unknown {
  // A value with a toJSON has gone through it before it comes here.
  const value: unknown = typeof this === "object" && this !== null ? Reflect.get(this, name) : given
  if (value === null || typeof value === "string" || typeof value === "boolean" || Array.isArray(value)) return value
  if (typeof value === "number") return Number.isFinite(value) ? value : refuse(value)
  if (typeof value !== "object") return refuse(value)
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null ? value : refuse(value)
}

function refuse(value: unknown): never {
  throw new TypeError(`a state with ${String(value)} in it has no JSON of its own: the model needs a hash`)
}
