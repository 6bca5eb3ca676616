// A number for a whole trace: equal for runs that called the file system in the same order, with the same bytes and the
// same outcomes. By it a replay knows whether it is one.

import type { DiskTrace, TraceEvent } from "../simulation/disk-trace.ts"
import { crc32 } from "../simulation/checksum.ts"

/** Eight hexadecimal digits. */
export function runFingerprint(trace: DiskTrace): string {
  let sum = 0
  const add = (text: string): void => {
    sum = crc32(Buffer.from(text), sum)
  }
  for (const { serial, name, path, detail, outcome } of trace.operations)
    add(`${serial} ${name} ${path} ${detail} ${outcome};`)
  for (const event of trace.events) {
    add(eventText(event))
    if (event.kind !== "issue") continue
    for (const change of event.changes) if (change.kind === "data") sum = crc32(change.bytes, sum)
  }
  return sum.toString(16).padStart(8, "0")
}

function eventText(event: TraceEvent): string {
  switch (event.kind) {
    case "issue": {
      const changes = event.changes.map((change) =>
        change.kind === "data" ? `data ${change.file} ${change.position}` : JSON.stringify(change),
      )
      return `issue ${event.operation} ${changes.join()};`
    }
    case "complete":
      return `complete ${event.operation} ${JSON.stringify(event.sync ?? null)};`
    case "rot":
      return `rot ${event.file} ${event.offset} ${event.bit};`
  }
}
