// Where the log is being written: hands each frame that became durable to the topics, in the order of the log, none left
// out. Frames come from memory (publish). Where there are none (advance, a gap, a recovery), the edge reads them from the
// log itself, once for all who are live; frames published meanwhile wait in copies, so that it finds back to memory under
// a steady writer as well.
//
// `liveLsn` follows `durableLsn`: at once while nobody is live, else as fast as frames are handed on.

import type { LogFrame } from "../format/log-frame.ts"
import { recordBufferOver } from "../format/record.ts"
import { invariant, probe } from "../model/invariant.ts"
import { LSN_NONE, lsnOf } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"
import type { FeedSource } from "./feed-source.ts"
import type { Receiver, Router, Share } from "./router.ts"

/** Bytes of published frames that wait at most while the edge reads the log. */
const WAITING_SIZE_MAX = 4 * 1024 * 1024

export interface LiveEdgeEvents {
  /** `liveLsn` has moved, or the edge came to rest. Nothing is being handed on at this moment. */
  moved(): void
  /** The log could not be read: those who are live must look for themselves. */
  lost(): void
}

export class LiveEdge {
  readonly #router: Router
  readonly #events: LiveEdgeEvents
  #source: FeedSource | undefined = undefined
  #durableLsn: Lsn = LSN_NONE
  #liveLsn: Lsn = LSN_NONE
  /** Copies of frames, in order. */
  #waiting: LogFrame[] = []
  #waitingSize = 0
  /** Whether topics are getting their share of a frame. */
  #isHandingOn = false
  /** The run that catches up with `durableLsn`. A stale one finds another here, or none, and must touch nothing. */
  #run: object | undefined = undefined

  constructor(router: Router, events: LiveEdgeEvents) {
    this.#router = router
    this.#events = events
  }

  get source(): FeedSource | undefined {
    return this.#source
  }
  get durableLsn(): Lsn {
    return this.#durableLsn
  }
  get liveLsn(): Lsn {
    return this.#liveLsn
  }
  /** Whether frames are on their way to those who are live. */
  get isBusy(): boolean {
    return this.#isHandingOn || this.#run !== undefined
  }

  /** Requires: there is no source at the moment. */
  connect(source: FeedSource): void {
    invariant(source.durableLsn >= this.#durableLsn, "I1: what was durable is there after a recovery")
    this.#source = source
    this.#durableLsn = source.durableLsn
    this.#router.forgetIds()
    this.#catchUp()
  }

  disconnect(): void {
    this.#source = undefined
    this.#run = undefined
    this.#stopWaiting()
  }

  publish(frame: LogFrame): void {
    if (frame.lastLsn <= this.#durableLsn) return
    const isNext = frame.firstLsn === this.#durableLsn + 1 && this.#liveLsn === this.#durableLsn
    this.#durableLsn = frame.lastLsn
    if (this.#router.isIdle) {
      this.#catchUp()
    } else if (isNext && !this.isBusy) {
      this.#handOn(frame)
      this.#catchUp()
    } else {
      this.#wait(frame)
      this.#catchUp()
    }
  }

  advance(durableLsn: Lsn): void {
    if (durableLsn <= this.#durableLsn) return
    this.#durableLsn = durableLsn
    this.#catchUp()
  }

  /** Brings `liveLsn` to `durableLsn`: now if that needs no reading, else as soon as it can. */
  #catchUp(): void {
    if (this.isBusy) return
    if (this.#router.isIdle) {
      this.#liveLsn = this.#durableLsn
      this.#stopWaiting()
    } else if (this.#liveLsn < this.#durableLsn) {
      if (this.#source !== undefined || this.#isNextWaiting()) {
        void this.#handOnMissing()
        return
      }
    }
    this.#events.moved()
  }

  async #handOnMissing(): Promise<void> {
    const run = {}
    this.#run = run
    try {
      while (this.#run === run && this.#liveLsn < this.#durableLsn && !this.#router.isIdle) {
        if (this.#isNextWaiting()) {
          const frame = this.#waiting.shift() as LogFrame
          this.#waitingSize -= frame.end - frame.start
          this.#handOn(frame)
        } else if (this.#source !== undefined) {
          await this.#readMissing(this.#source, run)
        } else {
          break
        }
      }
    } catch {
      // Everybody who is live reads for himself from here on, and meets the error if it lasts.
      if (this.#run === run) {
        probe("the live edge could not read the log")
        this.#events.lost()
      }
    }
    if (this.#run === run) this.#run = undefined
    this.#catchUp()
  }

  async #readMissing(source: FeedSource, run: object): Promise<void> {
    const next = this.#waiting[0]
    const to = next === undefined ? this.#durableLsn : lsnOf(next.firstLsn - 1)
    for await (const frame of source.read(this.#liveLsn, to)) {
      if (this.#run !== run || this.#router.isIdle) return
      this.#handOn(frame)
      if (this.#run !== run) return
      this.#events.moved()
    }
    if (this.#run === run) this.#liveLsn = lsnOf(Math.max(this.#liveLsn, to))
  }

  #handOn(frame: LogFrame): void {
    const shares = this.#router.route(frame, this.#liveLsn)
    this.#liveLsn = frame.lastLsn
    this.#isHandingOn = true
    try {
      // Queues first: when the application is called, everybody's position tells the truth.
      for (const share of shares) handShare(share, share.topic.queueing)
      for (const share of shares) handShare(share, share.topic.immediate)
    } finally {
      this.#isHandingOn = false
    }
  }

  #wait(frame: LogFrame): void {
    const size = frame.end - frame.start
    // The later ones are worth more: what is dropped lies in front of them, and is read in one go.
    if (this.#waitingSize + size > WAITING_SIZE_MAX) this.#stopWaiting()
    if (size > WAITING_SIZE_MAX) return
    const memory = new ArrayBuffer(size)
    const buffer = recordBufferOver(memory)
    frame.buffer.bytes.copy(buffer.bytes, 0, frame.start, frame.end)
    this.#waiting.push({ ...frame, buffer, start: 0, end: size })
    this.#waitingSize += size
  }

  /** Whether the next frame is there in memory. Lets go of those that came out of the log meanwhile. */
  #isNextWaiting(): boolean {
    for (;;) {
      const frame = this.#waiting[0]
      if (frame === undefined) return false
      if (frame.lastLsn > this.#liveLsn) return frame.firstLsn <= this.#liveLsn + 1
      this.#waiting.shift()
      this.#waitingSize -= frame.end - frame.start
    }
  }

  #stopWaiting(): void {
    this.#waiting = []
    this.#waitingSize = 0
  }
}

function handShare(share: Share, receivers: readonly Receiver[]): void {
  for (let index = 0; index < receivers.length; index++) {
    const receiver = receivers[index] as Receiver
    receiver.receive(share.batch, share.topic)
  }
}
