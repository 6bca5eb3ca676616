// From the options of a crash test to settings that are complete: defaults, and TypeErrors for what makes no sense, said
// before anything runs.

import { OrreryError } from "../model/errors.ts"
import { nodePlatform } from "../platform/node/node-platform.ts"
import type { SimulatedPlatform } from "../simulation/simulated-platform.ts"
import type { CrashBudget, CrashOptions, HistorySource, PersistenceMode } from "./crash-options.ts"
import type { CrashFault } from "./fault-choice.ts"

export interface CrashSettings<System, Op, Result, State> {
  readonly name: string
  readonly open: (platform: SimulatedPlatform, path: string) => System | Promise<System>
  readonly close: (system: System) => unknown
  readonly ops: HistorySource<Op>
  readonly run: CrashOptions<System, Op, Result, State>["run"]
  readonly invariant: CrashOptions<System, Op, Result, State>["invariant"]
  readonly model: CrashOptions<System, Op, Result, State>["model"]
  readonly recoveredView: CrashOptions<System, Op, Result, State>["recoveredView"]
  readonly outcomeOf: (error: unknown) => "rejected" | "unknown"
  readonly mayRefuse: (error: unknown) => boolean
  readonly faults: readonly CrashFault[]
  readonly persistence: PersistenceMode
  readonly concurrency: number
  readonly budget: Required<CrashBudget>
  readonly seed: number
  readonly onProgress: NonNullable<CrashOptions<System, Op>["onProgress"]>
  readonly signal: AbortSignal
  readonly artifacts: string | false | undefined
  readonly writeRegression: string | undefined
  readonly testFile: string | undefined
  readonly path: string
}

const BUDGET_DEFAULT: Required<CrashBudget> = { histories: 100, states: 20_000, ms: 3_000, shrinkMs: 1_500, nested: 1 }
const CONCURRENCY_DEFAULT = 4
const FUNCTIONS = [
  "open",
  "close",
  "run",
  "invariant",
  "recoveredView",
  "outcomeOf",
  "mayRefuse",
  "onProgress",
] as const
const TEXTS = ["name", "writeRegression", "testFile", "path"] as const
const NAMES: ReadonlySet<string> = new Set([
  ...FUNCTIONS,
  ...TEXTS,
  "ops",
  "model",
  "faults",
  "persistence",
  "concurrency",
  "budget",
  "seed",
  "signal",
  "artifacts",
])

/** Fails with: TypeError. */
export function settingsFrom<System, Op, Result, State>(
  options: CrashOptions<System, Op, Result, State>,
): CrashSettings<System, Op, Result, State> {
  checkShape(options)
  const { budget = {}, concurrency = CONCURRENCY_DEFAULT, persistence = "posix", faults = [], seed } = options
  return {
    name: options.name ?? "",
    open: options.open,
    close: options.close ?? closeAnything,
    ops: options.ops,
    run: options.run,
    invariant: options.invariant,
    model: options.model,
    recoveredView: options.recoveredView,
    outcomeOf: options.outcomeOf ?? outcomeOfError,
    mayRefuse: options.mayRefuse ?? (() => false),
    faults: "kind" in faults ? [faults] : faults,
    persistence,
    concurrency: concurrency === "all-at-once" ? Infinity : concurrency,
    budget: { ...BUDGET_DEFAULT, ...budget },
    seed: seed ?? freshSeed(),
    onProgress: options.onProgress ?? (() => undefined),
    signal: options.signal ?? new AbortController().signal,
    artifacts: options.artifacts,
    writeRegression: options.writeRegression ?? (process.env["ORRERY_CRASH_REGRESSION"] || undefined),
    testFile: options.testFile,
    path: options.path ?? "/data",
  }
}

function checkShape<System, Op, Result, State>(options: CrashOptions<System, Op, Result, State>): void {
  check(typeof options === "object" && options !== null, "options are an object")
  for (const name of Object.keys(options)) check(NAMES.has(name), `there is no option "${name}"`)
  for (const name of ["open", "run"] as const) check(typeof options[name] === "function", `${name} is a function`)
  for (const name of FUNCTIONS) {
    check(options[name] === undefined || typeof options[name] === "function", `${name} is a function`)
  }
  for (const name of TEXTS)
    check(options[name] === undefined || typeof options[name] === "string", `${name} is a string`)
  const { ops, model, invariant, recoveredView, seed, artifacts, persistence = "posix", signal } = options
  check(isSource(ops), "ops is an array, a function that makes one, or an arbitrary of fast-check")
  check(
    invariant !== undefined || (model !== undefined && recoveredView !== undefined),
    "there is an invariant, or a model and a recoveredView to compare it with",
  )
  if (model !== undefined) {
    check(typeof model === "object" && typeof model.apply === "function", "model has an initial state and apply")
    check("initial" in model, "model has an initial state and apply")
  }
  check(seed === undefined || Number.isSafeInteger(seed), "seed is a safe integer")
  check(["posix", "ext4", "xfs"].includes(persistence), 'persistence is "posix", "ext4" or "xfs"')
  check(artifacts === undefined || artifacts === false || typeof artifacts === "string", "artifacts is a path or false")
  check(signal === undefined || signal instanceof AbortSignal, "signal is an AbortSignal")
  checkNumbers(options)
  checkFaults(options.faults ?? [])
}

function checkNumbers<System, Op>(options: Pick<CrashOptions<System, Op>, "budget" | "concurrency">): void {
  const { concurrency = CONCURRENCY_DEFAULT, budget = {} } = options
  check(
    concurrency === "all-at-once" || (Number.isInteger(concurrency) && concurrency >= 1),
    'concurrency is a whole number from 1 on, or "all-at-once"',
  )
  check(typeof budget === "object" && budget !== null, "budget is an object")
  for (const [name, value] of Object.entries(budget)) {
    check(name in BUDGET_DEFAULT, `there is no budget.${name}`)
    check(typeof value === "number" && value >= 0, `budget.${name} is a number from 0 on`)
  }
  for (const name of ["histories", "states"] as const) check((budget[name] ?? 1) >= 1, `budget.${name} is from 1 on`)
  check([0, 1, 2].includes(budget.nested ?? 0), "budget.nested is 0, 1 or 2")
}

function checkFaults(faults: CrashFault | readonly CrashFault[]): void {
  check(typeof faults === "object" && faults !== null, "faults is one of crash.faults, or an array of them")
  for (const fault of "kind" in faults ? [faults] : faults) {
    const isKnown = ["error", "short", "lying-sync", "no-space", "open-files", "bit-rot"].includes(fault?.kind)
    check(isKnown, "faults is one of crash.faults, or an array of them")
    if (!("at" in fault)) continue
    const number = typeof fault.at === "object" ? fault.at.from : fault.at
    check(number === "any" || (Number.isInteger(number) && number >= 1), 'a fault is at a number from 1 on, or "any"')
  }
}

function isSource(ops: unknown): boolean {
  if (Array.isArray(ops)) return ops.length > 0
  if (typeof ops === "function") return true
  return typeof ops === "object" && ops !== null && "generate" in ops && "shrink" in ops
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new TypeError(`crash test: ${what}`)
}

/** What most things that are opened have. */
async function closeAnything(system: unknown): Promise<void> {
  if (typeof system !== "object" || system === null) return
  const closable = system as Readonly<Record<string | symbol, unknown>>
  for (const name of ["close", Symbol.asyncDispose, Symbol.dispose]) {
    const method = closable[name]
    if (typeof method !== "function") continue
    await (method.call(system) as unknown)
    return
  }
}

/** 31 bits: such a seed is an integer everywhere. */
function freshSeed(): number {
  const bytes = new Uint8Array(4)
  nodePlatform.random.fill(bytes)
  return new DataView(bytes.buffer).getUint32(0) >>> 1
}

/** What a failure says of itself, as far as this package's own errors go. */
function outcomeOfError(error: unknown): "rejected" | "unknown" {
  return error instanceof OrreryError && error.code !== "ORRERY_COMMIT_UNKNOWN" ? "rejected" : "unknown"
}
