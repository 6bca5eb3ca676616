// Runs the operations of a simulated disk: gives each its serial number, lets the fault plan twist it, takes its effect
// into the page cache when it begins, lets it end later, and records both. Watches the callers' rule, one operation in
// flight a file.
//
// After `kill` nothing has an effect any more: what is in flight and all that comes later fails.

import { InvariantViolation } from "../model/invariant.ts"
import type { CompletionOrder } from "./completion-order.ts"
import type { Change } from "./disk-changes.ts"
import type { Operation, OperationName, SyncEffect } from "./disk-trace.ts"
import { twistOf, type FaultPlan, type Twist } from "./fault-plan.ts"
import { systemError } from "./system-error.ts"
import type { TraceRecorder } from "./trace-recorder.ts"

/** What is asked of the disk. */
export interface Call {
  readonly name: OperationName
  readonly path: string
  /** Asked for where a trace is kept. */
  readonly detail?: () => string
  /** What no other operation may be using at the same time: the handle, the number of a file that is changed. */
  readonly uses?: readonly unknown[]
}

/** What an operation did to the page cache, and what its end will do to the medium. */
export interface Effect<Result> {
  readonly result: Result
  readonly changes?: readonly Change[]
  readonly sync?: SyncEffect
}

type RecordedOperation = { -readonly [Field in keyof Operation]: Operation[Field] }

const NO_CHANGES: readonly Change[] = []

export class OperationRunner {
  // Constant after construction.
  readonly faults: FaultPlan
  readonly recorder: TraceRecorder
  readonly #order: CompletionOrder
  readonly #watchesUse: boolean

  // Changed by run() and kill().
  readonly #inUse = new Set<unknown>()
  readonly #inFlight = new Set<() => void>()
  readonly #violations: string[] = []
  #issuedCount = 0
  #completedCount = 0
  #isDead = false

  constructor(faults: FaultPlan, recorder: TraceRecorder, order: CompletionOrder, watchesUse: boolean) {
    this.faults = faults
    this.recorder = recorder
    this.#order = order
    this.#watchesUse = watchesUse
  }

  get completedCount(): number {
    return this.#completedCount
  }

  get inFlightCount(): number {
    return this.#inFlight.size
  }

  get isDead(): boolean {
    return this.#isDead
  }

  /** Every time that the callers' rule was broken. */
  get violations(): readonly string[] {
    return this.#violations
  }

  /**
   * Runs one operation. `effect` is called at once, unless a fault prevents it, and says what it did; what it throws is
   * how the operation fails. Fails with: EIO after `kill`.
   */
  run<Result>(call: Call, effect: (twist: Twist, serial: number) => Effect<Result>): Promise<Result> {
    if (this.#isDead) return Promise.reject(systemError("EIO", call.name, call.path))
    const violation = this.#violationBy(call)
    if (violation !== undefined) return Promise.reject(violation)

    this.#issuedCount++
    const serial = this.#issuedCount
    const operation = this.recorder.keepsTrace ? this.#record(serial, call) : undefined

    const fault = this.faults.hit(serial, call.name)
    const twist = twistOf(fault, call.name)
    let failure: unknown =
      fault !== undefined && "error" in fault ? systemError(fault.error, call.name, call.path) : undefined
    let taken: Effect<Result> | undefined
    try {
      if (twist !== undefined) taken = effect(twist, serial)
    } catch (error) {
      failure = error
    }
    this.recorder.issued(serial, taken?.changes ?? NO_CHANGES)
    return new Promise((resolve, reject) => {
      const end = (): void => {
        if (!this.#inFlight.delete(end)) return
        this.#setInUse(call.uses, false)
        if (this.#isDead) {
          reject(systemError("EIO", call.name, call.path))
          return
        }
        this.#completedCount++
        if (operation !== undefined) operation.outcome = failure === undefined ? "done" : codeOf(failure)
        this.recorder.completed(serial, taken?.sync)
        if (failure !== undefined || taken === undefined) reject(failure)
        else resolve(taken.result)
      }
      this.#inFlight.add(end)
      this.#setInUse(call.uses, true)
      this.#order(end)
    })
  }

  /** The machine is gone: fails what is in flight, and everything from now on. */
  kill(): void {
    this.#isDead = true
    for (const end of this.#inFlight) end()
  }

  #record(serial: number, { name, path, detail }: Call): RecordedOperation {
    const operation = { serial, name, path, detail: detail?.() ?? "", outcome: "in flight" }
    this.recorder.addOperation(operation)
    return operation
  }

  #setInUse(uses: readonly unknown[] | undefined, isInUse: boolean): void {
    if (!this.#watchesUse || uses === undefined) return
    for (const used of uses) {
      if (isInUse) this.#inUse.add(used)
      else this.#inUse.delete(used)
    }
  }

  #violationBy(call: Call): InvariantViolation | undefined {
    if (!this.#watchesUse || call.uses === undefined) return undefined
    if (!call.uses.some((used) => this.#inUse.has(used))) return undefined
    const message = `one operation is in flight a file, but ${call.name} of ${call.path} began during another`
    this.#violations.push(message)
    return new InvariantViolation(message)
  }
}

function codeOf(failure: unknown): string {
  return failure instanceof Error && "code" in failure ? String(failure.code) : "failed"
}
