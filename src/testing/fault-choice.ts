// Faults as values that a crash test takes: what fails, said by kind and place, and made into serial numbers of the disk
// once a run without faults has told how many calls there are. The same seed chooses the same calls.

import type { OperationName } from "../simulation/disk-trace.ts"
import type { Fault } from "../simulation/fault-plan.ts"
import type { SimulatedDisk } from "../simulation/simulated-disk.ts"
import type { SimulatedRandom } from "../simulation/simulated-random.ts"

/** Calls of the file system, by kind. "anything" is every call. */
export type FaultTarget = OperationName | "anything"

/** Which of the calls of that kind: the n-th from 1 on, one that the seed chooses, or from the n-th on all. */
export type FaultPlace = number | "any" | { readonly from: number }

/** One thing that goes wrong. Plain data; several in one test all happen. */
export type CrashFault =
  | {
      readonly kind: "error"
      /** The operating system's code: "EIO", "ENOSPC", "EMFILE" … */
      readonly code: string
      readonly of: FaultTarget
      readonly at: FaultPlace
      /** How much was done: nothing, half of it, or (of a sync) unknown, and never written again. Default "before". */
      readonly when?: "before" | "after-part" | "dropping-dirty-pages"
    }
  /** Reads and writes transfer only a part. */
  | { readonly kind: "short"; readonly of: "read" | "write" | "writeSynced"; readonly at: FaultPlace }
  /** Syncs say that they succeed, and make nothing durable. */
  | { readonly kind: "lying-sync"; readonly at: FaultPlace }
  /** The disk has room for so many bytes, in pages of 4,096; then writes fail with ENOSPC. After the crash there is room. */
  | { readonly kind: "no-space"; readonly afterBytes: number }
  /** No more than so many files open at a time; more fail with EMFILE. */
  | { readonly kind: "open-files"; readonly max: number }
  /** One bit of what survives the crash has turned over: of a file, byte and bit that the seed chooses if not said. */
  | { readonly kind: "bit-rot"; readonly path?: string; readonly offset?: number; readonly bit?: number }

const SYNCS: readonly OperationName[] = ["dataSync", "writeSynced", "syncDirectory"]
const FAULT_SEED_CALLS_MIN = 1

/** Ways to write them down. */
export const faults: {
  /** The n-th call of a kind fails, or one that the seed chooses. Without effect. */
  readonly error: (code: string, of?: FaultTarget, at?: FaultPlace) => CrashFault
  /** Like `error`, after half of it was done. */
  readonly halfDone: (code: string, of?: FaultTarget, at?: FaultPlace) => CrashFault
  /** A data sync fails once, later ones succeed, and what the failed one should have written is never written. */
  readonly syncFailsOnce: (at?: FaultPlace) => CrashFault
  readonly short: (of: "read" | "write" | "writeSynced", at?: FaultPlace) => CrashFault
  /** From the n-th sync on all of them lie; from the first by default. */
  readonly lyingSync: (at?: FaultPlace) => CrashFault
  readonly noSpaceAfter: (bytes: number) => CrashFault
  readonly openFilesMax: (count: number) => CrashFault
  readonly bitRot: (where?: { readonly path?: string; readonly offset?: number; readonly bit?: number }) => CrashFault
} = {
  error: (code, of = "anything", at = "any") => ({ kind: "error", code, of, at }),
  halfDone: (code, of = "anything", at = "any") => ({ kind: "error", code, of, at, when: "after-part" }),
  syncFailsOnce: (at = "any") => ({ kind: "error", code: "EIO", of: "dataSync", at, when: "dropping-dirty-pages" }),
  short: (of, at = { from: 1 }) => ({ kind: "short", of, at }),
  lyingSync: (at = { from: 1 }) => ({ kind: "lying-sync", at }),
  noSpaceAfter: (afterBytes) => ({ kind: "no-space", afterBytes }),
  openFilesMax: (max) => ({ kind: "open-files", max }),
  bitRot: (where = {}) => ({ kind: "bit-rot", ...where }),
}

/** Whether a run without faults has to say first which calls there are. */
export function needsCallCount(chosen: readonly CrashFault[]): boolean {
  return chosen.some((fault) => "at" in fault)
}

/** The faults in the disk's terms. `calls` has the names of all calls of the run without faults, in order. */
export function diskFaultsOf(
  chosen: readonly CrashFault[],
  calls: readonly OperationName[],
  random: SimulatedRandom,
): Fault[] {
  return chosen.flatMap((fault): Fault[] => {
    if (!("at" in fault)) return []
    const names: readonly OperationName[] | undefined =
      fault.kind === "lying-sync" ? SYNCS : fault.of === "anything" ? undefined : [fault.of]
    const serials = calls.flatMap((name, index) => (names === undefined || names.includes(name) ? [index + 1] : []))
    // What never happens cannot fail; chance is drawn all the same, so that other faults keep their places.
    const drawn = random.below(Math.max(FAULT_SEED_CALLS_MIN, serials.length))
    const number = fault.at === "any" ? drawn : (typeof fault.at === "number" ? fault.at : fault.at.from) - 1
    const operation = serials[number]
    if (operation === undefined) return []
    const through = typeof fault.at === "object" ? Infinity : operation
    const range = names === undefined ? { operation, through } : { operation, through, only: names }
    if (fault.kind === "error") return [{ ...range, error: fault.code, when: fault.when ?? "before" }]
    return [{ ...range, quirk: fault.kind === "short" ? "short" : "lying-sync" }]
  })
}

/** Sets the bounds of a disk that are faults. */
export function boundDisk(disk: SimulatedDisk, chosen: readonly CrashFault[]): void {
  for (const fault of chosen) {
    if (fault.kind === "no-space") disk.capacityBytes = fault.afterBytes
    if (fault.kind === "open-files") disk.openFileCountMax = fault.max
  }
}

/** Turns bits over on a disk that nobody has mounted yet. */
export function rotDisk(disk: SimulatedDisk, chosen: readonly CrashFault[], random: SimulatedRandom): void {
  for (const fault of chosen) {
    if (fault.kind !== "bit-rot") continue
    const files = [...disk.files()].filter(
      ([path, bytes]) => bytes.length > (fault.offset ?? 0) && (fault.path === undefined || fault.path === path),
    )
    if (files.length === 0) continue
    const [path, bytes] = random.pick(files)
    disk.flipBit(path, fault.offset ?? random.below(bytes.length), fault.bit ?? random.below(8))
  }
}
