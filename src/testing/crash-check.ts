// Recovers one crash state and looks whether what comes up is allowed. Of a state inside a recovery the same is asked as
// of the state that was being recovered: a crash in recovery may lose nothing. Where asked to, life goes on afterwards:
// operations that the crash had kept from beginning run on what came up, the power fails, and it is looked at again.

import { shuffled } from "../simulation/completion-order.ts"
import type { CrashState } from "../simulation/crash-states.ts"
import type { DiskTrace } from "../simulation/disk-trace.ts"
import type { SimulatedDisk } from "../simulation/simulated-disk.ts"
import { simulatePlatform, type SimulatedPlatform } from "../simulation/simulated-platform.ts"
import { SimulatedRandom } from "../simulation/simulated-random.ts"
import { allowedStates, type OperationSpan } from "./allowed-states.ts"
import type { HistoryEntry } from "./crash-options.ts"
import type { CrashSettings } from "./crash-settings.ts"
import { settle } from "./event-pump.ts"
import { rotDisk } from "./fault-choice.ts"
import { historyAt, type HistoryRun } from "./history-run.ts"
import { canonicalText } from "./plain-data.ts"
import { goOn } from "./second-life.ts"
import { seedFrom } from "./seed.ts"

/** What is wrong with what a crash left. */
export interface Violation<Op, Result> {
  readonly during: "recovery" | "check" | "close"
  readonly reason: unknown
  /** The crash, and those inside the recovery from it. */
  readonly crashes: readonly CrashState[]
  /** Indices of the operations that ran on what came up, before the power failed once more. */
  readonly afterwards: readonly number[] | undefined
  readonly history: readonly HistoryEntry<Op, Result>[]
  /** What `recoveredView` told; undefined without one, or where nothing came up. */
  readonly view: { readonly value: unknown } | undefined
  readonly allowed: readonly unknown[] | undefined
  /** The disk before the recovery, path and bytes. */
  readonly image: ReadonlyMap<string, Uint8Array>
}

export interface CheckWishes {
  /** What the recovery does is kept, for crashes inside it. */
  readonly keepsTrace: boolean
  /** Operations run afterwards. */
  readonly goesOn: boolean
}

export interface Checked<Op, Result> {
  readonly violation: Violation<Op, Result> | undefined
  /** What the recovery did, where it was to be kept. */
  readonly trace: DiskTrace | undefined
  readonly isRefused: boolean
  readonly isModelled: boolean
}

/** What must hold at one moment of a history. */
interface Expectation<Op, Result, State> {
  readonly outcomes: string
  readonly history: readonly HistoryEntry<Op, Result>[]
  readonly allowed: readonly State[] | undefined
  readonly allowedTexts: ReadonlySet<string> | undefined
}

/** What was found on a disk, and the system if it came up and is right. */
interface Look<System> {
  readonly wrong: Pick<Violation<never, never>, "during" | "reason" | "view"> | undefined
  readonly system: System | undefined
  readonly view: Violation<never, never>["view"]
  readonly trace: DiskTrace | undefined
}

/** Where the recovered system holds what the model does not allow. */
class NotAllowed extends Error {
  override readonly name = "NotAllowed"
}

export class CrashChecker<System, Op, Result, State> {
  readonly #settings: CrashSettings<System, Op, Result, State>
  readonly #run: HistoryRun<Op, Result>
  readonly #seed: number
  /** States of one moment come one after the other. */
  #expected: Expectation<Op, Result, State> | undefined

  constructor(settings: CrashSettings<System, Op, Result, State>, run: HistoryRun<Op, Result>, seed: number) {
    this.#settings = settings
    this.#run = run
    this.#seed = seed
  }

  /** Recovers the last of the crashes, and checks. */
  async check(crashes: readonly CrashState[], wishes: CheckWishes): Promise<Checked<Op, Result>> {
    const { faults, model, signal } = this.#settings
    const state = crashes.at(-1) as CrashState
    const expected = this.#expectationAt((crashes[0] as CrashState).eventCount)
    const isModelled = model === undefined || expected.allowed !== undefined
    const seed = seedFrom(this.#seed, crashes.map(({ id }) => id).join("/"))
    const completion = shuffled(new SimulatedRandom(seed))
    const disk = state.mount({ seed, completion, watchesUse: false, keepsTrace: wishes.keepsTrace })
    rotDisk(disk, faults, new SimulatedRandom(seedFrom(seed, "rot")))
    const platform = simulatePlatform({ seed, disk })
    const mounted = { crashes, image: state.mount({ keepsTrace: false }) }

    const look = await this.#lookAt(platform, expected, crashes.length - 1, wishes.keepsTrace)
    const { system, trace } = look
    if (look.wrong !== undefined) return this.#found(expected, look.wrong, mounted, isModelled)
    if (system === undefined) return { violation: undefined, trace, isRefused: true, isModelled }
    const second = wishes.goesOn
      ? await goOn(this.#settings, platform, system, expected.history, this.#run.records)
      : undefined
    const unclosed = await this.#close(platform, system, look.view)
    if (unclosed !== undefined) return this.#found(expected, unclosed, mounted, isModelled)
    if (second === undefined) return { violation: undefined, trace, isRefused: false, isModelled }

    const later = this.#expectationOf(second.history, second.spans)
    const image = second.disk.snapshot({ keepsTrace: false })
    const laterPlatform = simulatePlatform({ seed: seedFrom(seed, "afterwards"), disk: second.disk })
    const laterLook = await this.#lookAt(laterPlatform, later, crashes.length, false)
    signal.throwIfAborted()
    const wrong =
      laterLook.wrong ??
      (laterLook.system === undefined ? undefined : await this.#close(laterPlatform, laterLook.system, laterLook.view))
    if (wrong === undefined) return { violation: undefined, trace, isRefused: false, isModelled }
    return this.#found(later, wrong, { crashes, image, afterwards: second.afterwards }, isModelled)
  }

  /** Opens, and checks what comes up. What is wrong is closed again, as far as it can be. */
  async #lookAt(
    platform: SimulatedPlatform,
    expected: Expectation<Op, Result, State>,
    depth: number,
    keepsTrace: boolean,
  ): Promise<Look<System>> {
    const { open, path, signal, mayRefuse, recoveredView, invariant } = this.#settings
    let system: System
    let view: Look<System>["view"]
    try {
      system = await settle(platform, open(platform, path), signal)
    } catch (reason) {
      signal.throwIfAborted()
      const wrong = mayRefuse(reason) ? undefined : { during: "recovery" as const, reason, view }
      return { wrong, system: undefined, view, trace: undefined }
    }
    // Before anything is asked of the system: what a check writes is no part of its recovery.
    const trace = keepsTrace ? platform.fileSystem.trace() : undefined
    try {
      if (recoveredView !== undefined) {
        view = { value: await settle(platform, recoveredView(system), signal) }
        const isListed = expected.allowedTexts?.has(canonicalText(view.value)) ?? true
        if (invariant === undefined && !isListed) {
          throw new NotAllowed("the recovered system holds what the model does not allow")
        }
      }
      if (invariant !== undefined) {
        await settle(
          platform,
          invariant(system, expected.history, { allowed: expected.allowed, platform, depth }),
          signal,
        )
      }
      return { wrong: undefined, system, view, trace }
    } catch (reason) {
      signal.throwIfAborted()
      await this.#close(platform, system, view)
      return { wrong: { during: "check", reason, view }, system, view, trace }
    }
  }

  async #close(
    platform: SimulatedPlatform,
    system: System,
    view: Look<System>["view"],
  ): Promise<Look<System>["wrong"]> {
    try {
      await settle(platform, this.#settings.close(system), this.#settings.signal)
      return undefined
    } catch (reason) {
      this.#settings.signal.throwIfAborted()
      return { during: "close", reason, view }
    }
  }

  #found(
    { history, allowed }: Expectation<Op, Result, State>,
    wrong: NonNullable<Look<System>["wrong"]>,
    on: {
      readonly crashes: readonly CrashState[]
      readonly image: SimulatedDisk
      readonly afterwards?: readonly number[]
    },
    isModelled: boolean,
  ): Checked<Op, Result> {
    const { crashes, afterwards } = on
    const violation = { ...wrong, crashes, afterwards, history, allowed, image: on.image.files() }
    return { violation, trace: undefined, isRefused: false, isModelled }
  }

  #expectationAt(eventCount: number): Expectation<Op, Result, State> {
    const history = historyAt(this.#run.records, eventCount)
    if (this.#expected?.outcomes === outcomesOf(history)) return this.#expected
    this.#expected = this.#expectationOf(history, this.#run.records)
    return this.#expected
  }

  #expectationOf(
    history: readonly HistoryEntry<Op, Result>[],
    spans: readonly OperationSpan[],
  ): Expectation<Op, Result, State> {
    const { model } = this.#settings
    const allowed = model === undefined ? undefined : allowedStates(model, history, spans)
    const allowedTexts = allowed === undefined ? undefined : new Set(allowed.map(canonicalText))
    return { outcomes: outcomesOf(history), history, allowed, allowedTexts }
  }
}

function outcomesOf(history: readonly HistoryEntry<unknown>[]): string {
  return history.map(({ outcome }) => outcome).join()
}
