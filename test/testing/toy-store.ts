// A tiny durable map over the contract of files, right as it stands, with switches for the mistakes that such code is
// known for. A log of checked lines; opened by reading it; made shorter by writing a new one beside it.

import { readFully, writeFully } from "../../src/platform/transfer.ts"
import type { FileHandle, FileSystem } from "../../src/platform/file-system.ts"
import { crc32 } from "../../src/simulation/checksum.ts"

export type ToyMistake =
  /** A put is acknowledged, and nothing was synced. */
  | "no-sync"
  /** A put is acknowledged while its sync is on its way. */
  | "early-acknowledgement"
  /** A shorter log gets the name before its bytes are synced. */
  | "rename-before-sync"
  /** The new log's name is never synced, nor the first one's. */
  | "no-directory-sync"
  /** Opening writes the log anew over itself: a crash in it finds neither the old nor the new one. */
  | "rewrites-on-open"
  /** What is put after a recovery is acknowledged, and nothing was synced. */
  | "no-sync-after-recovery"
  /** Several puts of one call are lines of their own. */
  | "two-commits"
  /** What recovery cuts off is not cut on the disk: the next line goes behind it. */
  | "keeps-the-torn-tail"

export type ToyContent = Readonly<Record<string, number>>

interface OpenedLog {
  readonly file: FileHandle
  readonly size: number
}

export class ToyStore {
  readonly #files: FileSystem
  readonly #directory: string
  readonly #mistakes: ReadonlySet<ToyMistake>
  readonly #content = new Map<string, number>()
  readonly #isRecovered: boolean
  #log: OpenedLog
  #turn: Promise<void> = Promise.resolve()

  private constructor(
    files: FileSystem,
    directory: string,
    mistakes: readonly ToyMistake[],
    log: OpenedLog,
    isRecovered: boolean,
  ) {
    this.#isRecovered = isRecovered
    this.#files = files
    this.#directory = directory
    this.#mistakes = new Set(mistakes)
    this.#log = log
  }

  static async open(files: FileSystem, directory: string, ...mistakes: readonly ToyMistake[]): Promise<ToyStore> {
    await files.makeDirectory(directory)
    const path = files.join(directory, "log")
    const isThere = (await files.stat(path)) !== undefined
    const file = await files.open(path, isThere ? "write" : "create")
    const store = new ToyStore(files, directory, mistakes, { file, size: 0 }, isThere)
    await store.#recover()
    if (!mistakes.includes("no-directory-sync")) await files.syncDirectory(directory)
    return store
  }

  get(key: string): number | undefined {
    return this.#content.get(key)
  }

  content(): ToyContent {
    return Object.fromEntries(this.#content)
  }

  /** All of them or none, on disk when it resolves. */
  put(entries: ToyContent): Promise<void> {
    return this.#inTurn(async () => {
      const parts = this.#mistakes.has("two-commits")
        ? Object.entries(entries).map(([key, value]) => ({ [key]: value }))
        : [entries]
      for (const part of parts) {
        await this.#append(part)
        for (const [key, value] of Object.entries(part)) this.#content.set(key, value)
      }
    })
  }

  /** Writes the content as a new log in place of the old one. */
  compact(): Promise<void> {
    return this.#inTurn(async () => {
      const [from, to] = [this.#files.join(this.#directory, "log.new"), this.#files.join(this.#directory, "log")]
      if ((await this.#files.stat(from)) !== undefined) await this.#files.unlink(from)
      const file = await this.#files.open(from, "create")
      const bytes = lineOf(this.content())
      await writeFully(file, bytes, 0, false)
      const isHasty = this.#mistakes.has("rename-before-sync")
      if (!isHasty) await file.dataSync()
      await this.#files.rename(from, to)
      if (!this.#mistakes.has("no-directory-sync")) await this.#files.syncDirectory(this.#directory)
      if (isHasty) await file.dataSync()
      await this.#log.file.close()
      this.#log = { file, size: bytes.length }
    })
  }

  async close(): Promise<void> {
    await this.#turn
    await this.#log.file.close()
  }

  async #append(entries: ToyContent): Promise<void> {
    const { file, size } = this.#log
    const bytes = lineOf(entries)
    await writeFully(file, bytes, size, false)
    this.#log = { file, size: size + bytes.length }
    if (this.#mistakes.has("no-sync")) return
    if (this.#mistakes.has("no-sync-after-recovery") && this.#isRecovered) return
    const synced = file.dataSync()
    if (this.#mistakes.has("early-acknowledgement")) synced.catch(() => undefined)
    else await synced
  }

  async #recover(): Promise<void> {
    const { file } = this.#log
    const bytes = new Uint8Array(await file.size())
    await readFully(file, bytes, 0)
    let start = 0
    let end = 0
    for (let newline = bytes.indexOf(10); newline !== -1; newline = bytes.indexOf(10, start)) {
      const entries = entriesIn(bytes.subarray(start, newline))
      start = newline + 1
      if (entries === undefined) break
      for (const [key, value] of Object.entries(entries)) this.#content.set(key, value)
      end = start
    }
    const isCut = !this.#mistakes.has("keeps-the-torn-tail")
    if (isCut && end < bytes.length) {
      await file.truncate(end)
      await file.dataSync()
    }
    this.#log = { file, size: isCut ? end : bytes.length }
    if (this.#mistakes.has("rewrites-on-open") && end > 0) await this.#rewrite(lineOf(this.content()))
  }

  async #rewrite(bytes: Uint8Array): Promise<void> {
    const { file } = this.#log
    await file.truncate(0)
    await writeFully(file, bytes, 0, false)
    await file.dataSync()
    this.#log = { file, size: bytes.length }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => undefined)
    return done
  }
}

function lineOf(entries: ToyContent): Uint8Array {
  const text = JSON.stringify(entries)
  return Buffer.from(`${crc32(Buffer.from(text), 0)} ${text}\n`)
}

function entriesIn(line: Uint8Array): ToyContent | undefined {
  const [sum = "", text = ""] = Buffer.from(line).toString().split(" ", 2)
  return text !== "" && Number(sum) === crc32(Buffer.from(text), 0) ? (JSON.parse(text) as ToyContent) : undefined
}
