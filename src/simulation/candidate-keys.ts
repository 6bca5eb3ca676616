// Tells candidates of one moment that come to the same state before they are built: most units of a file that is being
// made write zeros where zeros are, so that it makes no difference whether they are kept, lost or torn. What this takes for
// equal has the same fingerprint; what it takes for different may be equal all the same.

import type { Candidate } from "./crash-candidates.ts"
import type { DataChange, PendingUnit } from "./disk-changes.ts"
import type { DiskTree } from "./disk-tree.ts"

const LOST = 48
const KEPT = 49
const TORN: Readonly<Record<string, number>> = { zeros: 50, garbage: 51, half: 52 }

export class CandidateKeys {
  /** 1 for each unit that makes no difference, unless it is torn to garbage. */
  readonly #idle: Uint8Array
  readonly #codes: Uint8Array
  readonly #buffer: Buffer
  readonly #seen = new Set<string>()

  /** Requires: the pending units, oldest first, and the medium that they are on their way to. */
  constructor(medium: DiskTree, pending: readonly PendingUnit[]) {
    this.#idle = idleUnits(medium, pending)
    this.#codes = new Uint8Array(pending.length)
    this.#buffer = Buffer.from(this.#codes.buffer)
  }

  /** Whether none that comes to the same was added before. */
  add({ kept, torn, tear }: Candidate): boolean {
    const codes = this.#codes
    for (let index = 0; index < codes.length; index++) {
      codes[index] = this.#idle[index] === 1 || kept[index] === 0 ? LOST : KEPT
    }
    if (torn !== undefined && tear !== undefined && (this.#idle[torn] === 0 || tear === "garbage")) {
      codes[torn] = TORN[tear] as number
    }
    const key = this.#buffer.latin1Slice(0, codes.length)
    if (this.#seen.has(key)) return false
    this.#seen.add(key)
    return true
  }
}

const areZeros = new WeakMap<DataChange, boolean>()
const zeros = Buffer.alloc(512)
const found = Buffer.alloc(512)

function idleUnits(medium: DiskTree, pending: readonly PendingUnit[]): Uint8Array {
  const idle = new Uint8Array(pending.length)
  const writers = new Map<string, number>()
  for (const [index, { change }] of pending.entries()) {
    if (change.kind !== "data") continue
    const sector = `${change.file} ${Math.floor(change.position / zeros.length)}`
    const other = writers.get(sector)
    writers.set(sector, index)
    // Over or under another unit it may make a difference.
    if (other !== undefined) idle[other] = 0
    else if (writesZeros(change) && holdsZeros(medium, change)) idle[index] = 1
  }
  return idle
}

function writesZeros(change: DataChange): boolean {
  let answer = areZeros.get(change)
  if (answer === undefined) {
    const { bytes } = change
    answer = bytes.length <= zeros.length && zeros.compare(bytes, 0, bytes.length, 0, bytes.length) === 0
    areZeros.set(change, answer)
  }
  return answer
}

/** Beyond its size a file is zeros, too. */
function holdsZeros(medium: DiskTree, { file, position, bytes }: DataChange): boolean {
  const content = medium.file(file)
  // Or will be, once it is clipped.
  if (content?.overhangs === true) return false
  const count = content?.read(found.subarray(0, bytes.length), position) ?? 0
  return found.compare(zeros, 0, count, 0, count) === 0
}
