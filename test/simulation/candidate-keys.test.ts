// Candidates that are told to be equal before they are built are equal when they are.

import { expect, test } from "vitest"
import { CandidateKeys } from "../../src/simulation/candidate-keys.ts"
import { candidateCount, candidateOf, StateBuilder } from "../../src/simulation/crash-candidates.ts"
import { unitsOf } from "../../src/simulation/disk-changes.ts"
import type { Change, PendingUnit } from "../../src/simulation/disk-changes.ts"
import { DiskTree, ROOT } from "../../src/simulation/disk-tree.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"

const FILE = 2

function mediumWith(bytes: Uint8Array): DiskTree {
  const tree = new DiskTree()
  tree.changeDirectory(ROOT).entries.set("file", FILE)
  const file = tree.changeFile(FILE)
  file.resize(bytes.length)
  file.write(bytes, 0)
  return tree
}

function pendingOf(changes: readonly Change[]): PendingUnit[] {
  return changes.flatMap((change) =>
    [...unitsOf(change)].map((unit) => ({ operation: 1, change: unit, isForgotten: false })),
  )
}

const data = (position: number, length: number, byte: number): Change => ({
  kind: "data",
  file: FILE,
  position,
  bytes: new Uint8Array(length).fill(byte),
})

/** How many candidates were told to be equal to one before. */
function skippedOf(medium: DiskTree, changes: readonly Change[]): number {
  const pending = pendingOf(changes)
  const keys = new CandidateKeys(medium, pending)
  const builder = new StateBuilder(medium, pending)
  const seen = new Set<number>()
  let skipped = 0
  for (let number = 0; number < candidateCount(pending.length, 200); number++) {
    const candidate = candidateOf(number, pending.length, () => new SimulatedRandom(number))
    const fingerprint = builder.build(candidate)?.fingerprint()
    if (fingerprint === undefined) continue
    if (keys.add(candidate)) seen.add(fingerprint)
    else {
      skipped++
      expect(seen, `candidate ${number}, ${candidate.kind}`).toContain(fingerprint)
    }
  }
  return skipped
}

test("zeros over zeros make no difference, kept, lost or torn but to garbage", () => {
  const grown: Change = { kind: "size", file: FILE, size: 4096, cuts: false }
  expect(skippedOf(mediumWith(new Uint8Array(0)), [grown, data(0, 4096, 0)])).toBeGreaterThan(100)
})

test("zeros over bytes, over zeros that other units write to, and behind a cut are all looked at", () => {
  const full = new Uint8Array(2048).fill(7)
  skippedOf(mediumWith(full), [data(0, 2048, 0), data(100, 600, 3), data(0, 512, 0)])
  skippedOf(mediumWith(new Uint8Array(2048)), [data(0, 2048, 0), data(100, 600, 3), data(0, 512, 0)])
  const cut: Change = { kind: "size", file: FILE, size: 1000, cuts: true }
  skippedOf(mediumWith(full), [cut, { kind: "size", file: FILE, size: 2048, cuts: false }, data(512, 1536, 0)])
  const overhanging = mediumWith(full)
  overhanging.changeFile(FILE).resize(600)
  skippedOf(overhanging, [{ kind: "size", file: FILE, size: 2048, cuts: false }, data(512, 1536, 0)])
})
