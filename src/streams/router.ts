// Takes a frame apart and routes each of its changes once: table, then length of prefix, then prefix, then the topic, at
// which everybody with that filter shares the same commits. A filter in each subscription would cost every subscription
// a look at every change.
//
// Routing is synchronous and calls nobody. What the topics got in the end owns its memory: the frame's bytes may go.

import { contradiction } from "../format/log-frame.ts"
import type { LogFrame } from "../format/log-frame.ts"
import {
  FLAG_CONTINUES,
  KIND_DELETE,
  RECORD_HEADER_SIZE,
  RECORD_KEY_SIZE,
  RECORD_TABLE,
  RECORD_VALUE_SIZE,
  recordSize,
} from "../format/record.ts"
import type { Commit } from "../model/change.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"
import type { Catalogue, TableEntry } from "../table/catalogue.ts"
import { FeedChange, FrameCopy } from "./feed-change.ts"
import type { FeedValues } from "./feed-change.ts"
import { FeedCommit } from "./feed-commit.ts"
import type { Filter } from "./filter.ts"
import { COPY_SIZE_FULL } from "./record-copy.ts"
import { TableRoutes } from "./table-routes.ts"

/** What one frame holds for a topic: its commits, each with all matching changes. Shared by all who get it. */
export interface Batch {
  readonly commits: readonly Commit[]
  /** The last LSN of the frame. */
  readonly lastLsn: Lsn
  /** Bytes of memory that the batch keeps from being freed. */
  readonly size: number
}

export interface Receiver {
  /** Whether it calls the application right away, instead of queueing. */
  readonly isImmediate: boolean
  /** The topic's share of the next frame that holds something for it. */
  receive(batch: Batch, topic: Topic): void
}

/** Stands where no commit is being gathered; never added to, because no commit has LSN 0. */
const NO_CHANGES: FeedChange[] = []

/** Everybody who wants the same. The lists are replaced, never changed: whoever walks one is not disturbed. */
export class Topic {
  readonly filter: Filter
  queueing: readonly Receiver[] = []
  immediate: readonly Receiver[] = []
  /** Changed only by the router, while it routes a frame. */
  commits: Commit[] = []
  changes: FeedChange[] = NO_CHANGES
  lsn = 0

  constructor(filter: Filter) {
    this.filter = filter
  }

  add(receiver: Receiver): void {
    if (receiver.isImmediate) this.immediate = [...this.immediate, receiver]
    else this.queueing = [...this.queueing, receiver]
  }

  remove(receiver: Receiver): void {
    if (receiver.isImmediate) this.immediate = this.immediate.filter((other) => other !== receiver)
    else this.queueing = this.queueing.filter((other) => other !== receiver)
  }

  get isEmpty(): boolean {
    return this.queueing.length === 0 && this.immediate.length === 0
  }
}

export class Router {
  readonly #catalogue: Catalogue
  readonly #values: FeedValues
  readonly #everywhere: TableRoutes<Topic> = new TableRoutes()
  /** Whether anybody wants every table: looked at for every record. */
  #hasEverywhere = false
  readonly #byTable: Map<TableEntry, TableRoutes<Topic>> = new Map()
  /** By table id; forgotten when ids may have changed. */
  #byId: (TableRoutes<Topic> | undefined)[] = []
  /** Tables that had no id when last looked at. */
  #unresolved: TableEntry[] = []
  #topicCount = 0
  /** Scratch of `route`. */
  readonly #found: Topic[] = []

  constructor(catalogue: Catalogue, values: FeedValues) {
    this.#catalogue = catalogue
    this.#values = values
  }

  /** Whether there is no topic. */
  get isIdle(): boolean {
    return this.#topicCount === 0
  }

  /** The topic of a filter, made if there is none. */
  topic(filter: Filter): Topic {
    const routes = this.#routesOf(filter.table)
    const known = routes.find(filter)
    if (known !== undefined) return known
    const topic = new Topic(filter)
    routes.add(filter, topic)
    this.#hasEverywhere = !this.#everywhere.isEmpty
    this.#topicCount++
    return topic
  }

  /** Takes a topic out that nobody listens to any more. */
  remove(topic: Topic): void {
    this.#routesOf(topic.filter.table).remove(topic.filter, topic)
    this.#hasEverywhere = !this.#everywhere.isEmpty
    this.#topicCount--
  }

  /** Table ids may have changed: asks the catalogue again. */
  forgetIds(): void {
    this.#byId = []
    this.#unresolved = [...this.#byTable.keys()]
  }

  /** Gives the topics their share of the commits after `after`, and returns those that got something, with their share. */
  route(frame: LogFrame, after: Lsn): readonly Share[] {
    if (this.#unresolved.length > 0) this.#resolveIds()
    const found = this.#found
    const touched: Topic[] = []
    const { start, end, timeMs } = frame
    const { bytes, words } = frame.buffer
    let copy = new FrameCopy(this.#values)
    let runs: number[] = []
    let filledSize = 0
    let lsn = frame.firstLsn - 1
    let size = 0
    let runEnd = -1
    // Of the table of the record before: mostly there are many of one table in a row.
    let tableId = -1
    let table: TableEntry | undefined
    let everywhere: TableRoutes<Topic> | undefined
    let routes: TableRoutes<Topic> | undefined
    // The walk of record-walk.ts, with each word read once: this loop is what a subscriber costs the writers.
    for (let at = start, next = start; at < end; at = next) {
      const word = at >>> 2
      const valueSize = words[word + (RECORD_VALUE_SIZE >>> 2)] as number
      const head = words[word + (RECORD_KEY_SIZE >>> 2)] as number
      const keySize = head & 0xffff
      next = at + recordSize(keySize, valueSize)
      if (((head >>> 24) & FLAG_CONTINUES) === 0) lsn++
      const kind = (head >>> 16) & 0xff
      if (kind > KIND_DELETE || lsn <= after) continue
      const id = words[word + (RECORD_TABLE >>> 2)] as number
      if (id !== tableId) {
        tableId = id
        table = this.#catalogue.byId(id)
        // Who wants every table wants those of users.
        everywhere = this.#hasEverywhere && table?.isSystem !== true ? this.#everywhere : undefined
        routes = this.#byId[id]
      }
      const keyWord = word + (RECORD_HEADER_SIZE >>> 2)
      let count = everywhere === undefined ? 0 : everywhere.match(words, keyWord, keySize, kind, found, 0)
      if (routes !== undefined) count = routes.match(words, keyWord, keySize, kind, found, count)
      if (count === 0) continue
      if (table === undefined) throw contradiction(frame, at, `a record of table ${id}, which is not defined`)
      const change = new FeedChange(kind, table.name, lsnOf(lsn), copy, size)
      for (let index = 0; index < count; index++) addChange(found[index] as Topic, change, timeMs, touched)
      // Records side by side are copied at once.
      if (at === runEnd) runs[runs.length - 1] = next
      else runs.push(at, next)
      runEnd = next
      size += next - at
      if (size < COPY_SIZE_FULL) continue
      copy.fill(bytes, runs, size)
      copy = new FrameCopy(this.#values)
      runs = []
      runEnd = -1
      filledSize += size
      size = 0
    }
    if (size > 0) copy.fill(bytes, runs, size)
    filledSize += size
    return touched.map((topic) => ({ topic, batch: takeBatch(topic, frame.lastLsn, filledSize) }))
  }

  #routesOf(table: TableEntry | undefined): TableRoutes<Topic> {
    if (table === undefined) return this.#everywhere
    let routes = this.#byTable.get(table)
    if (routes === undefined) {
      routes = new TableRoutes()
      this.#byTable.set(table, routes)
      this.#unresolved.push(table)
    }
    return routes
  }

  #resolveIds(): void {
    for (const table of this.#unresolved) {
      if (table.id !== 0) this.#byId[table.id] = this.#byTable.get(table)
    }
    this.#unresolved = this.#unresolved.filter((table) => table.id === 0)
  }
}

/** A topic and what a frame holds for it. */
export interface Share {
  readonly topic: Topic
  readonly batch: Batch
}

function addChange(topic: Topic, change: FeedChange, timeMs: number, touched: Topic[]): void {
  if (topic.lsn === change.lsn) {
    topic.changes.push(change)
    return
  }
  if (topic.commits.length === 0) touched.push(topic)
  const changes = [change]
  topic.lsn = change.lsn
  topic.changes = changes
  topic.commits.push(new FeedCommit(change.lsn, timeMs, changes))
}

function takeBatch(topic: Topic, lastLsn: Lsn, size: number): Batch {
  const { commits } = topic
  topic.commits = []
  topic.changes = NO_CHANGES
  topic.lsn = 0
  return { commits, lastLsn, size }
}
