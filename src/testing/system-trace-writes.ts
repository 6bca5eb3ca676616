// What system calls do to the bytes and the size of a file, as changes of the simulated disk: write, truncate, allocate,
// copy. Which file a call means is system-trace-disk.ts's to find.

import type { Change } from "../simulation/disk-changes.ts"
import { numberOf, type SystemCall } from "./system-trace-calls.ts"
import { takePosition, type OpenedFile } from "./system-trace-files.ts"
import type { Ending, SystemTraceRecorder } from "./system-trace-recorder.ts"

const ZEROS_SIZE_MAX = 64 * 1024 * 1024

export class SystemTraceWrites {
  readonly #recorder: SystemTraceRecorder
  readonly #onSync: (path: string) => void
  readonly #note: (sentence: string) => void

  /** `onSync` is told of a write that is a sync, `note` of what cannot be followed. */
  constructor(recorder: SystemTraceRecorder, onSync: (path: string) => void, note: (sentence: string) => void) {
    this.#recorder = recorder
    this.#onSync = onSync
    this.#note = note
  }

  /** `bytes`: as many as were written. */
  write(file: OpenedFile, { name, args }: SystemCall, bytes: Uint8Array): Ending | undefined {
    const flags = name === "pwritev2" ? (args[4] ?? "") : ""
    const told = name.startsWith("pwrite") ? numberOf(args[3]) : -1
    const appends = file.appends || flags.includes("RWF_APPEND")
    const position = appends ? this.#sizeOf(file) : told === -1 ? file.position : told
    if (told === -1) file.position = position + bytes.length
    return this.#put(file, position, bytes, file.syncs || /RWF_D?SYNC/.test(flags))
  }

  truncate(file: OpenedFile, size: number): Ending | undefined {
    if (size === this.#sizeOf(file)) return undefined
    const changes = [this.resize(file.node, size)]
    return this.#ending(this.#recorder.change("truncate", file.path, `to ${size}`, changes))
  }

  allocate(file: OpenedFile, { args }: SystemCall): Ending | undefined {
    const [mode = "", start, length] = [args[1], numberOf(args[2]), numberOf(args[3])]
    const size = this.#sizeOf(file)
    if (/COLLAPSE|INSERT/.test(mode) || length > ZEROS_SIZE_MAX) {
      this.#note(`${file.path} was changed by fallocate (${mode}), which is not followed`)
      return undefined
    }
    if (/PUNCH_HOLE|ZERO_RANGE/.test(mode)) {
      const end = mode.includes("KEEP_SIZE") ? Math.min(size, start + length) : start + length
      return this.#put(file, start, new Uint8Array(Math.max(0, end - start)), false)
    }
    if (mode.includes("KEEP_SIZE") || start + length <= size) return undefined
    const changes = [this.resize(file.node, start + length)]
    return this.#ending(this.#recorder.change("truncate", file.path, `allocated to ${start + length}`, changes))
  }

  /** copy_file_range(in, at, out, at, …) and sendfile(out, in, at, …), whose bytes are known where their source is. */
  copy(source: OpenedFile | undefined, target: OpenedFile, call: SystemCall): Ending | undefined {
    const { name, args, result = 0 } = call
    const isRange = name === "copy_file_range"
    if (source?.kind !== "file") {
      this.#note(`${target.path} was copied from elsewhere by ${name}, and its bytes are not seen`)
      return undefined
    }
    const bytes = new Uint8Array(result)
    this.#recorder.cache.file(source.node)?.read(bytes, takePosition(source, args[isRange ? 1 : 2], result))
    return this.#put(target, takePosition(target, isRange ? args[3] : "NULL", result), bytes, target.syncs)
  }

  /** Programs see the new size from here on. */
  resize(node: number, size: number): Change {
    const file = this.#recorder.cache.changeFile(node)
    const cuts = size < file.size
    file.resize(size)
    if (cuts) file.clip()
    return { kind: "size", file: node, size, cuts }
  }

  #put(file: OpenedFile, position: number, bytes: Uint8Array, isSynced: boolean): Ending | undefined {
    if (bytes.length === 0) return undefined
    const { node, path } = file
    const end = position + bytes.length
    const changes: Change[] = []
    // The size first: after a crash a file may be longer than what reached it, never the other way round.
    if (end > this.#sizeOf(file)) changes.push(this.resize(node, end))
    this.#recorder.cache.changeFile(node).write(bytes, position)
    changes.push({ kind: "data", file: node, position, bytes })
    const detail = `${bytes.length} at ${position}`
    if (isSynced) {
      this.#onSync(path)
      return this.#recorder.syncedWrite(path, detail, node, changes)
    }
    return this.#ending(this.#recorder.change("write", path, detail, changes))
  }

  #sizeOf({ node }: OpenedFile): number {
    return this.#recorder.cache.file(node)?.size ?? 0
  }

  #ending(serial: number): Ending {
    return () => this.#recorder.ended(serial)
  }
}
