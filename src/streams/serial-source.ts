// Commits that are made in steps, one call of `next` after the other, however many wait. The first step of a quiet source
// begins on the turn of the call: what is taken then is the state of that turn. Where all that is left is another source's,
// calls go straight there: a step would cost each commit three promises.

import type { Commit } from "../model/change.ts"
import { LimitExceeded, StoreClosed } from "../model/errors.ts"
import type { Lsn } from "../model/lsn.ts"
import { DONE } from "./commit-source.ts"
import type { CommitSource } from "./commit-source.ts"

const WAITER_COUNT_MAX = 1_024

export abstract class SerialSource implements CommitSource {
  protected isClosed = false
  #last: Promise<unknown> = Promise.resolve()
  #count = 0

  abstract readonly position: Lsn
  abstract readonly cursor: string
  abstract readonly isWaiting: boolean

  /** The next commit, or the end. Called again only when it has settled. */
  protected abstract step(): Promise<IteratorResult<Commit, undefined>>
  /** Lets go of everything. Called once. */
  protected abstract release(): void

  /** What gives all that is left, as it is; undefined where steps have something to add. */
  protected rest(): CommitSource | undefined {
    return undefined
  }

  next(): Promise<IteratorResult<Commit, undefined>> {
    const rest = this.#count === 0 && !this.isClosed ? this.rest() : undefined
    if (rest !== undefined) return rest.next()
    if (this.#count >= WAITER_COUNT_MAX) {
      const remedy = "Await a commit before asking for the next"
      const count = this.#count + 1
      return Promise.reject(new LimitExceeded("the number of waiting calls of next", WAITER_COUNT_MAX, count, remedy))
    }
    const result = this.#count++ === 0 ? this.#run() : this.#last.then(() => this.#run())
    this.#last = result.then(ignore, ignore)
    return result
  }

  nextBatch(): Promise<IteratorResult<readonly Commit[], undefined>> {
    const rest = this.#count === 0 && !this.isClosed ? this.rest() : undefined
    return rest === undefined ? this.next().then(alone) : rest.nextBatch()
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.release()
  }

  async #run(): Promise<IteratorResult<Commit, undefined>> {
    try {
      if (this.isClosed) return DONE
      const result = await this.step()
      if (result.done === true) this.close()
      return result
    } catch (error) {
      const wasClosed = this.isClosed
      this.close()
      // A store that was closed by its user ends its streams; whoever goes on from the position misses nothing.
      if (wasClosed || (error instanceof StoreClosed && error.cause === undefined)) return DONE
      throw error
    } finally {
      this.#count--
    }
  }
}

function alone(result: IteratorResult<Commit, undefined>): IteratorResult<readonly Commit[], undefined> {
  return result.done === true ? result : { value: [result.value], done: false }
}

function ignore(): void {}
