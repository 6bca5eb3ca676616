// When commits became durable, roughly and for a while: so that a lag can be told as time. A bounded number of marks; the
// older ones are thinned out, so that they reach far back and are the coarser the further.

import type { Lsn } from "../model/lsn.ts"

const MARK_COUNT_MAX = 512

export class DurableTimes {
  readonly #lsns: number[] = []
  readonly #timesMs: number[] = []

  /** Requires: the LSNs grow. */
  note(lsn: Lsn, timeMs: number): void {
    const lsns = this.#lsns
    const timesMs = this.#timesMs
    if (timesMs.at(-1) === timeMs) {
      lsns[lsns.length - 1] = lsn
      return
    }
    if (lsns.length === MARK_COUNT_MAX) {
      for (let index = 0; index < MARK_COUNT_MAX / 2; index++) {
        lsns[index] = lsns[index * 2 + 1] as number
        timesMs[index] = timesMs[index * 2 + 1] as number
      }
      lsns.length = MARK_COUNT_MAX / 2
      timesMs.length = MARK_COUNT_MAX / 2
    }
    lsns.push(lsn)
    timesMs.push(timeMs)
  }

  /** When what follows the position became durable, or a little later. Undefined: nothing is known. */
  behind(lsn: Lsn): number | undefined {
    const index = this.#lsns.findIndex((mark) => mark > lsn)
    return index < 0 ? undefined : this.#timesMs[index]
  }
}
