// What a key held: its versions in the log, oldest first. Reads the log from files, as far back as it is kept.

import type { Engine } from "../actors/engine.ts"
import { KIND_DELETE, KIND_PUT } from "../format/record.ts"
import { RecordWalk } from "../format/record-walk.ts"
import { ValueDecoder } from "../format/value-decoder.ts"
import { lsnOf } from "../model/lsn.ts"
import type { Lsn } from "../model/lsn.ts"
import type { TableEntry } from "../table/catalogue.ts"

/** What one commit made of a key. The last of several within one commit counts. */
export interface Version<Value> {
  readonly lsn: Lsn
  /** When it was committed, by the writer's clock. */
  readonly time: Date
  /** Undefined where it was deleted. */
  readonly value: Value | undefined
  readonly isDeleted: boolean
}

/** Durable versions behind an LSN. Fails with: Restarting, StoreClosed, CursorExpired, Corruption, StorageFailed. */
export async function* versionsOf<Value>(
  engine: Engine,
  entry: TableEntry,
  key: string,
  after: number | undefined,
): AsyncGenerator<Version<Value>, undefined> {
  const { log } = engine
  if (log === undefined) throw engine.unavailable("the log")
  if (entry.id === 0) return
  const decoder = new ValueDecoder(engine.catalogue.shapes)
  const wanted = Buffer.from(key)
  let walk: RecordWalk | undefined
  for await (const frame of log.read(lsnOf(after ?? log.oldestLsn - 1))) {
    walk ??= new RecordWalk(frame.buffer)
    walk.reset(frame.buffer, frame.start, frame.end, frame.firstLsn)
    // Taken out of the frame before anything is given out: its bytes may be gone afterwards.
    const versions: Version<Value>[] = []
    while (walk.next()) {
      const { kind, keyStart, keyEnd, valueEnd, lsn } = walk
      if (walk.tableId !== entry.id || (kind !== KIND_PUT && kind !== KIND_DELETE)) continue
      if (lsn <= (after ?? 0) || keyEnd - keyStart !== wanted.length) continue
      const { bytes } = frame.buffer
      if (bytes.compare(wanted, 0, wanted.length, keyStart, keyEnd) !== 0) continue
      const isDeleted = kind === KIND_DELETE
      const value = isDeleted ? undefined : (decoder.decode(bytes, keyEnd, valueEnd) as Value)
      if (versions.at(-1)?.lsn === lsn) versions.pop()
      versions.push({ lsn: lsnOf(lsn), time: new Date(frame.timeMs), value, isDeleted })
    }
    yield* versions
  }
  return undefined
}
