// Every file name of a store, built and parsed here and nowhere else. Names never come from users: tables and keys are
// numbers and bytes in the log.
//
//   LOCK, LOCK.owner          who has the store open
//   manifest-0, manifest-1    the two copies; manifest.new while one is being written
//   wal-0000000001            segment 1 of the log
//   spare-0000000001          a segment that is being prepared, or was retired and waits for reuse
//   checkpoint-0000000001     checkpoint 1; checkpoint.new while one is being written
//   audit.log, audit.1.log    what happened to the store, for people; the lines of before

export const LOCK_FILE = "LOCK"
export const MANIFEST_FILES: readonly [string, string] = ["manifest-0", "manifest-1"]
export const MANIFEST_NEW_FILE = "manifest.new"

export const CHECKPOINT_NEW_FILE = "checkpoint.new"

export const AUDIT_FILE = "audit.log"
export const AUDIT_PREVIOUS_FILE = "audit.1.log"

/** What a name in the directory means; undefined for a name that is not the store's. */
export type FileMeaning =
  | { readonly kind: "lock" }
  | { readonly kind: "manifest"; readonly copy: 0 | 1 }
  | { readonly kind: "manifest-new" }
  | { readonly kind: "segment"; readonly segment: number }
  | { readonly kind: "spare"; readonly number: number }
  | { readonly kind: "checkpoint"; readonly number: number }
  | { readonly kind: "checkpoint-new" }
  | { readonly kind: "audit" }

const SEGMENT_NAME = /^wal-(\d{10})$/
const SPARE_NAME = /^spare-(\d{10})$/
const CHECKPOINT_NAME = /^checkpoint-(\d{10})$/

export function segmentFile(segment: number): string {
  return `wal-${String(segment).padStart(10, "0")}`
}

export function spareFile(number: number): string {
  return `spare-${String(number).padStart(10, "0")}`
}

export function checkpointFile(number: number): string {
  return `checkpoint-${String(number).padStart(10, "0")}`
}

export function meaningOf(name: string): FileMeaning | undefined {
  if (name === LOCK_FILE || name.startsWith(`${LOCK_FILE}.`) || name.startsWith(`${LOCK_FILE}-`))
    return { kind: "lock" }
  if (name === MANIFEST_FILES[0]) return { kind: "manifest", copy: 0 }
  if (name === MANIFEST_FILES[1]) return { kind: "manifest", copy: 1 }
  if (name === MANIFEST_NEW_FILE) return { kind: "manifest-new" }
  const segment = SEGMENT_NAME.exec(name)?.[1]
  if (segment !== undefined) return { kind: "segment", segment: Number(segment) }
  const spare = SPARE_NAME.exec(name)?.[1]
  if (spare !== undefined) return { kind: "spare", number: Number(spare) }
  const checkpoint = CHECKPOINT_NAME.exec(name)?.[1]
  if (checkpoint !== undefined) return { kind: "checkpoint", number: Number(checkpoint) }
  if (name === CHECKPOINT_NEW_FILE) return { kind: "checkpoint-new" }
  if (name === AUDIT_FILE || name === AUDIT_PREVIOUS_FILE) return { kind: "audit" }
  return undefined
}
