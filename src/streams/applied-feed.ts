// The feed of commits as they are applied, before they are durable: the same feed over another source, whose end is what
// was committed last. What is on its way to the disk, or waits for it, is read from the batches; the rest from the log.
//
// Guarantees: where the log takes commits back, whoever has got any of them fails with AppliedCommitsLost, also who goes
// on from a position among them later; whoever has not goes on, and never gets them.

import type { LogFrame } from "../format/log-frame.ts"
import { recordBufferOver } from "../format/record.ts"
import { LogUnavailable } from "../model/errors.ts"
import { LSN_NONE, lsnOf } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"
import type { GroupCommit } from "../wal/group-commit.ts"
import type { Log } from "../wal/log.ts"
import { ChangeFeed } from "./change-feed.ts"
import type { ChangeFeedOptions } from "./change-feed.ts"
import type { ChangeStream } from "./change-stream.ts"
import type { ChangesOptions } from "./changes-options.ts"
import type { FeedSource } from "./feed-source.ts"
import type { FeedStates } from "./feed-state.ts"
import { LostCommits } from "./lost-commits.ts"
import type { SubscriptionInfo } from "./subscription-info.ts"

export class AppliedFeed {
  readonly #options: ChangeFeedOptions
  /** Made for the first subscriber. */
  #feed: ChangeFeed | undefined = undefined
  #source: AppliedSource | undefined = undefined
  /** Shared with the feed of durable commits, which a cursor may be taken to. */
  readonly lost: LostCommits
  /** The last commit that was made before the log was gone. */
  #givenLsn: Lsn = LSN_NONE

  constructor(options: ChangeFeedOptions) {
    this.lost = new LostCommits()
    this.#options = { ...options, lost: this.lost }
  }

  /** Fails like `ChangeFeed.subscribe`. */
  subscribe<Value = unknown>(options: ChangesOptions, states: FeedStates): ChangeStream<Value> {
    if (this.#feed === undefined) {
      this.#feed = new ChangeFeed(this.#options)
      if (this.#source !== undefined) this.#attach(this.#feed, this.#source)
    }
    return this.#feed.subscribe<Value>(options, states)
  }

  subscriptions(nowMs: number): SubscriptionInfo[] {
    return this.#feed?.subscriptions(nowMs) ?? []
  }

  /** Goes on with this log, which holds of the commits before those up to `keptLsn`. */
  connect(log: Log, commit: GroupCommit, keptLsn: number): void {
    this.#source = new AppliedSource(log, commit)
    this.lost.note(lsnOf(keptLsn), this.#givenLsn)
    if (this.#feed === undefined) return
    this.#feed.takeBack(lsnOf(keptLsn))
    this.#attach(this.#feed, this.#source)
  }

  /** The log is gone for now. To be called before the catalogue is reset. */
  disconnect(): void {
    if (this.#source !== undefined) this.#givenLsn = this.#source.durableLsn
    this.#source = undefined
    this.#feed?.disconnect()
  }

  end(reason?: unknown): void {
    this.#feed?.end(reason)
  }

  #attach(feed: ChangeFeed, source: AppliedSource): void {
    source.commit.tellApplied((frame) => {
      if (this.#source === source) feed.publish(frame)
    })
    feed.connect(source)
  }
}

class AppliedSource implements FeedSource {
  readonly commit: GroupCommit
  readonly #log: Log

  constructor(log: Log, commit: GroupCommit) {
    this.#log = log
    this.commit = commit
  }

  /** Nothing is durable here: the end of what was committed. */
  get durableLsn(): Lsn {
    return this.commit.lastLsn
  }

  get oldestLsn(): Lsn {
    return this.#log.oldestLsn
  }

  async *read(after: Lsn, to: Lsn = this.commit.lastLsn): AsyncIterableIterator<LogFrame> {
    let position = after
    while (position < to) {
      const { endLsn } = this.#log
      if (position < endLsn) {
        const end = lsnOf(Math.min(to, endLsn))
        yield* this.#log.read(position, end)
        position = end
      } else {
        const frame = this.#unwritten(position)
        yield frame
        position = frame.lastLsn
      }
    }
  }

  /** A copy: whoever gets it looks at it later, and the batch is used anew. */
  #unwritten(position: Lsn): LogFrame {
    for (const frame of this.commit.unwritten()) {
      if (frame.lastLsn <= position) continue
      const size = frame.end - frame.start
      const buffer = recordBufferOver(new ArrayBuffer(size))
      frame.buffer.bytes.copy(buffer.bytes, 0, frame.start, frame.end)
      return { ...frame, buffer, start: 0, end: size }
    }
    throw new LogUnavailable("it ended while commits were read that were not in it yet")
  }
}
