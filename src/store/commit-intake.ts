// Takes commits out of a change stream, several at a time where several are there: whoever works a batch off at once must
// not wait for it to become full.

import type { Commit } from "../model/change.ts"
import type { ChangeStream } from "../streams/change-stream.ts"

/** Turns of the queue of microtasks in which what is there comes: more of them where it is read from the log. */
const PATIENCE = 24

type Result = IteratorResult<Commit, undefined>

export class CommitIntake {
  readonly #stream: ChangeStream
  readonly #iterator: AsyncIterator<Commit, undefined>
  /** The call of next that is under way. */
  #asked: Promise<void> | undefined
  #result: Result | undefined
  #failure: { readonly reason: unknown } | undefined
  #isInHand = false

  constructor(stream: ChangeStream) {
    this.#stream = stream
    this.#iterator = stream[Symbol.asyncIterator]()
  }

  /**
   * At least one commit, and as many more as are there already; none where the stream has ended. Stops when there are
   * `commits` of them or when they hold `changes` changes. Fails as the stream does.
   */
  take(commits: number, changes: number = Number.POSITIVE_INFINITY): Promise<Commit[]> {
    return this.#take(commits, changes, true)
  }

  /** The same without waiting: none where there is none yet. */
  poll(commits: number, changes: number): Promise<Commit[]> {
    return this.#take(commits, changes, false)
  }

  /** Whether no more will come. */
  get hasEnded(): boolean {
    return this.#result?.done === true
  }

  /** What was taken is done with. */
  release(): void {
    this.#isInHand = false
  }

  /**
   * Up to where there is nothing left to do, where nothing waits here and what was taken is done with: further than the
   * last commit where the stream passed over what it does not give. Meaningful only outside the turns in which commits are
   * handed on: in a timer, for example.
   */
  get drainedLsn(): number | undefined {
    if (this.#isInHand || this.#asked === undefined || this.#result?.done === false) return undefined
    return this.#stream.position
  }

  async #take(commits: number, changes: number, waits: boolean): Promise<Commit[]> {
    const taken: Commit[] = []
    let count = 0
    while (taken.length < commits && count < changes) {
      if (this.#asked === undefined) this.#ask()
      if (taken.length === 0 && waits) await this.#asked
      else await this.#lookFor()
      const commit = this.#shift(taken.length > 0)
      if (commit === undefined) break
      count += commit.changes.length
      taken.push(commit)
      this.#isInHand = true
    }
    return taken
  }

  /** Until the answer is there, or would be if there were one. */
  async #lookFor(): Promise<void> {
    for (let turn = 0; turn < PATIENCE && this.#result === undefined && this.#failure === undefined; turn++) {
      await Promise.resolve()
    }
  }

  #ask(): void {
    this.#asked = this.#iterator.next().then(
      (result) => {
        this.#result = result
      },
      (reason: unknown) => {
        this.#failure = { reason }
      },
    )
  }

  /** What has come; a failure only where nothing was taken before it. */
  #shift(hasTaken: boolean): Commit | undefined {
    if (this.#failure !== undefined) {
      if (hasTaken) return undefined
      throw this.#failure.reason
    }
    const result = this.#result
    if (result === undefined || result.done === true) return undefined
    this.#result = undefined
    this.#asked = undefined
    return result.value
  }
}
