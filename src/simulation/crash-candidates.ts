// Which states a crash may leave behind, at one moment: every way to keep some of the pending units that is worth a try,
// by number, so that one of them can be built again from its number alone. For n pending units, in this order:
//
//   nothing kept | everything kept | for each unit: all before it · all before it, and it torn to zeros, to garbage,
//   to half · all but it | all subsets, up to 6 units; samples, beyond
//
// Different numbers may give equal states; whoever goes through them drops those by fingerprint.

import { invariant } from "../model/invariant.ts"
import { applyChange, TEARS, tornChange, type PendingUnit, type Tear } from "./disk-changes.ts"
import { DiskTree } from "./disk-tree.ts"
import type { SimulatedRandom } from "./simulated-random.ts"

export type CandidateKind =
  | "nothing"
  | "everything"
  | "prefix"
  | "torn-zeros"
  | "torn-garbage"
  | "torn-half"
  | "hole"
  | "subset"
  | "sample"

/** What a crash keeps of the pending units. */
export interface Candidate {
  readonly kind: CandidateKind
  /** 1 for each unit that is kept, the torn one included. */
  readonly kept: Uint8Array
  /** Index of the unit that is torn. */
  readonly torn?: number
  readonly tear?: Tear
}

/** Most pending units of which all subsets are tried. */
export const SUBSET_UNIT_COUNT_MAX = 6
const KINDS_A_UNIT = 2 + TEARS.length

/** How many candidates there are. */
export function candidateCount(pendingCount: number, sampleCount: number): number {
  if (pendingCount === 0) return 1
  const subsetCount = pendingCount <= SUBSET_UNIT_COUNT_MAX ? 2 ** pendingCount : sampleCount
  return 2 + KINDS_A_UNIT * pendingCount + subsetCount
}

/** The candidate of that number. `random` decides samples, and is made anew for each. */
export function candidateOf(number: number, pendingCount: number, random: () => SimulatedRandom): Candidate {
  const kept = new Uint8Array(pendingCount)
  if (number === 0) return { kind: "nothing", kept }
  if (number === 1) return { kind: "everything", kept: kept.fill(1) }
  const unit = Math.floor((number - 2) / KINDS_A_UNIT)
  if (unit >= pendingCount) {
    const rest = number - 2 - KINDS_A_UNIT * pendingCount
    if (pendingCount > SUBSET_UNIT_COUNT_MAX) return sampleOf(pendingCount, random())
    for (let index = 0; index < pendingCount; index++) kept[index] = (rest >>> index) & 1
    return { kind: "subset", kept }
  }
  const choice = (number - 2) % KINDS_A_UNIT
  if (choice === 0) return { kind: "prefix", kept: kept.fill(1, 0, unit) }
  const tear = TEARS[choice - 1]
  if (tear !== undefined) return { kind: `torn-${tear}`, kept: kept.fill(1, 0, unit + 1), torn: unit, tear }
  kept.fill(1)
  kept[unit] = 0
  return { kind: "hole", kept }
}

/** A random subset, dense or sparse, in one of four with a torn unit. */
export function sampleOf(pendingCount: number, random: SimulatedRandom): Candidate {
  const kept = new Uint8Array(pendingCount)
  const keptInEight = random.pick([1, 4, 7])
  for (let index = 0; index < pendingCount; index++) kept[index] = random.below(8) < keptInEight ? 1 : 0
  if (pendingCount === 0 || !random.chance(4)) return { kind: "sample", kept }
  const torn = random.below(pendingCount)
  kept[torn] = 1
  return { kind: "sample", kept, torn, tear: random.pick(TEARS) }
}

/** Builds the states of one moment. Each shares with the others, and with the medium, all that it does not change. */
export class StateBuilder {
  // Constant after construction.
  readonly #medium: DiskTree
  readonly #pending: readonly PendingUnit[]
  readonly #files: readonly number[]

  // Changed by #prefix(): the medium with the first units applied. Candidates ask for longer and longer ones.
  #prefixTree: DiskTree
  #prefixCount = 0

  constructor(medium: DiskTree, pending: readonly PendingUnit[]) {
    this.#medium = medium
    this.#pending = pending
    this.#prefixTree = new DiskTree(medium)
    const files = new Set<number>()
    for (const { change } of pending) if (change.kind === "data") files.add(change.file)
    this.#files = [...files]
  }

  /** The state; undefined where the unit cannot be torn that way. */
  build(candidate: Candidate): DiskTree | undefined {
    invariant(candidate.kept.length === this.#pending.length, "a candidate is of the units that are pending")
    const start = this.#startOf(candidate)
    const tree = new DiskTree(this.#prefix(start))
    for (let index = start; index < this.#pending.length; index++) {
      if (candidate.kept[index] !== 1) continue
      const { change } = this.#pending[index] as PendingUnit
      if (index === candidate.torn && candidate.tear !== undefined) {
        const torn = tornChange(tree, change, candidate.tear)
        if (torn !== undefined) applyChange(tree, torn)
        else if (candidate.kind !== "sample") return undefined
        else applyChange(tree, change)
      } else {
        applyChange(tree, change)
      }
    }
    for (const file of this.#files) if (tree.file(file)?.overhangs === true) tree.changeFile(file).clip()
    return tree
  }

  /** How many units at the start are taken over from the prefix. */
  #startOf({ kind, kept, torn }: Candidate): number {
    if (kind === "subset" || kind === "sample" || kind === "nothing" || kind === "everything") return 0
    if (torn !== undefined) return torn
    const lost = kept.indexOf(0)
    return lost === -1 ? kept.length : lost
  }

  #prefix(count: number): DiskTree {
    if (count === 0) return this.#medium
    if (count < this.#prefixCount) {
      this.#prefixTree = new DiskTree(this.#medium)
      this.#prefixCount = 0
    }
    for (; this.#prefixCount < count; this.#prefixCount++) {
      applyChange(this.#prefixTree, (this.#pending[this.#prefixCount] as PendingUnit).change)
    }
    return this.#prefixTree
  }
}
