// Says in words what one file of a store holds: the frames of a segment, the blocks of a checkpoint, a manifest. Reads
// without the lock and changes nothing; goes as far as the file is good, and says where that ends. The manifest beside
// the file says whose it is and how it is checked.

import { basename, dirname } from "node:path"
import { BLOCK_DEFINITIONS, BLOCK_HEADER_SIZE, HEAD_PAYLOAD_SIZE } from "../format/checkpoint-block.ts"
import { CHECKPOINT_NEW_FILE, meaningOf } from "../format/file-names.ts"
import { FRAME_COMMITS, FRAME_EPOCH, FRAME_HEADER_SIZE, FRAME_SEAL, lastLsnOf } from "../format/frame.ts"
import type { FrameHeader } from "../format/frame.ts"
import { readU32 } from "../format/integers.ts"
import { decodeManifest, FORMAT_VERSION } from "../format/manifest.ts"
import { SEGMENT_HEADER_SIZE } from "../format/segment-header.ts"
import { Corruption } from "../model/errors.ts"
import { CheckpointReader } from "../checkpoint/checkpoint-reader.ts"
import { defineAll } from "../checkpoint/state-loader.ts"
import { nodePlatform } from "../platform/node/node-platform.ts"
import { readFully } from "../platform/transfer.ts"
import { storageFailed } from "../platform/system-error.ts"
import { Catalogue } from "../table/catalogue.ts"
import type { LogDirectory } from "../wal/log-directory.ts"
import { SegmentReader } from "../wal/segment-reader.ts"
import type { SegmentFrame, StopReason } from "../wal/segment-reader.ts"
import { command, textArgument } from "./action.ts"
import type { AnyCommand } from "./action.ts"
import { compressedIn, compressedText } from "./compressed-values.ts"
import { CommandFailure, EXIT_DAMAGED, EXIT_GOOD } from "./failure.ts"
import type { Output } from "./output.ts"
import { countOf } from "./progress.ts"
import { storeDirectory } from "./store-files.ts"

/** One part of a file: data for programs, and the same in words. */
interface Part {
  readonly offset: number
  readonly what: string
  readonly [detail: string]: unknown
}

export const inspectCommand: AnyCommand = command(
  "inspect",
  "Says what a file of the store holds, as far as it is good; without the lock",
  { file: textArgument("file", "A segment (wal-…), a checkpoint (checkpoint-…) or a manifest (manifest-…)") },
  async ({ file }, output) => {
    const path = dirname(file)
    const name = basename(file)
    const meaning = meaningOf(name)
    if ((await nodePlatform.fileSystem.stat(file))?.kind !== "file") {
      throw new CommandFailure("NO_SUCH_FILE", `${file} is not a file`, "Give a file of the store's directory")
    }
    switch (meaning?.kind) {
      case "manifest":
      case "manifest-new":
        return inspectManifest(file, name, output)
      case "segment":
        return inspectSegment((await storeDirectory(nodePlatform, path)).directory, meaning.segment, output)
      case "checkpoint":
        return inspectCheckpoint((await storeDirectory(nodePlatform, path)).directory, meaning.number, name, output)
      case "checkpoint-new":
        return inspectCheckpoint(
          (await storeDirectory(nodePlatform, path)).directory,
          readU32(await headOf(file, BLOCK_HEADER_SIZE), 16),
          CHECKPOINT_NEW_FILE,
          output,
        )
      case "lock":
      case "spare":
      case "audit":
      case undefined: {
        const remedy =
          "Give a segment (wal-…), a checkpoint (checkpoint-…) or a manifest (manifest-…), under its own name"
        throw new CommandFailure("NOT_INSPECTABLE", `${name} is no file of a store that has parts to show`, remedy, 2)
      }
    }
  },
)

async function inspectManifest(file: string, name: string, output: Output): Promise<number> {
  // One byte more than a manifest has: a file that is too long is none.
  const manifest = decodeManifest(await headOf(file, 4096), name, nodePlatform.checksum)
  if (typeof manifest === "string") return stopAt(output, 0, manifest, true)
  const { generation, firstSegment, firstLsn, createdMs } = manifest
  const storeId = Buffer.from(manifest.storeId).toString("hex")
  const created = new Date(createdMs).toISOString()
  const words = `manifest, format ${FORMAT_VERSION}, generation ${generation}, store ${storeId}, created ${created}; the log begins with segment ${firstSegment}, LSN ${firstLsn}`
  const data = { what: "manifest", offset: 0, generation, storeId, created, firstSegment, firstLsn }
  await tell(output, data, words)
  return EXIT_GOOD
}

async function inspectSegment(directory: LogDirectory, segment: number, output: Output): Promise<number> {
  let reader: SegmentReader
  try {
    const start = { offset: SEGMENT_HEADER_SIZE, previousChecksum: undefined, lastLsn: undefined, epoch: 0 }
    reader = await SegmentReader.open(directory, segment, start)
  } catch (error) {
    if (!(error instanceof Corruption)) throw error
    return stopAt(output, error.offset, error.found, true)
  }
  try {
    await tell(
      output,
      { offset: 0, what: "segment", segment, size: reader.size },
      `segment ${segment}, ${reader.size} bytes`,
    )
    let isSealed = false
    for (;;) {
      const { offset } = reader
      const frame = await reader.next()
      if (frame === undefined) break
      isSealed = frame.header.kind === FRAME_SEAL
      await tell(output, frameData(offset, frame), frameText(frame))
    }
    const found = await reader.findIntact(reader.offset)
    if (found === undefined) return await stopAt(output, reader.offset, endText(reader.stop, isSealed), false)
    const what = `${STOP_TEXTS[reader.stop]}; but an intact frame lies at byte ${found.offset}, with LSN ${found.firstLsn}`
    return await stopAt(output, reader.offset, what, true)
  } finally {
    await reader.close()
  }
}

const STOP_TEXTS: Readonly<Record<StopReason, string>> = {
  end: "the file ends",
  zeros: "unused space follows",
  "no-frame": "what follows is no frame of this segment: unused space of a file that is used again, or a torn frame",
  checksum: "the checksum of what follows does not match: a torn frame, or a damaged one",
  chain: "what follows is a frame that does not follow the one before",
}

function endText(stop: StopReason, isSealed: boolean): string {
  return `${isSealed ? "sealed" : "no seal: the last owner has not closed it"}; ${STOP_TEXTS[stop]}`
}

function frameData(offset: number, { header, buffer, start, end }: SegmentFrame): Part {
  const { epoch, firstLsn, durableLsn, commitCount, recordCount, timeMs } = header
  return {
    offset,
    what: kindOf(header),
    size: end - start + FRAME_HEADER_SIZE,
    epoch,
    firstLsn,
    lastLsn: lastLsnOf(header),
    commits: commitCount,
    records: recordCount,
    durableLsn,
    timeMs,
    ...(header.kind === FRAME_COMMITS ? { compressed: compressedIn(buffer, start, end) } : {}),
  }
}

function kindOf({ kind }: FrameHeader): "epoch" | "seal" | "commits" {
  if (kind === FRAME_EPOCH) return "epoch"
  return kind === FRAME_SEAL ? "seal" : "commits"
}

function frameText({ header, buffer, start, end }: SegmentFrame): string {
  const { epoch, firstLsn, durableLsn, commitCount, recordCount, timeMs } = header
  const size = `${end - start + FRAME_HEADER_SIZE} bytes`
  const time = new Date(timeMs).toISOString()
  switch (kindOf(header)) {
    case "epoch": {
      const owner = buffer.bytes.utf8Slice(start, end).replace(/\0+$/, "")
      return `epoch ${epoch} begins at LSN ${firstLsn}, by ${owner}, ${time}, ${size}`
    }
    case "seal":
      return `seal behind LSN ${lastLsnOf(header)}, ${countOf(recordCount, "frame")} before it, ${time}, ${size}`
    case "commits": {
      const lsns = commitCount === 1 ? `LSN ${firstLsn}` : `LSN ${firstLsn} to ${lastLsnOf(header)}`
      return `${lsns}, ${countOf(recordCount, "record")}, durable through ${durableLsn}, ${time}, ${size}${compressedText(compressedIn(buffer, start, end))}`
    }
  }
}

async function inspectCheckpoint(
  directory: LogDirectory,
  number: number,
  name: string,
  output: Output,
): Promise<number> {
  let reader: CheckpointReader | undefined
  try {
    reader = await CheckpointReader.open(directory, number, name)
    const { throughLsn, createdMs, sizeBytes } = reader
    const created = new Date(createdMs).toISOString()
    const words = `checkpoint ${number} through LSN ${throughLsn}, begun ${created}, ${sizeBytes} bytes`
    await tell(output, { offset: 0, what: "checkpoint", number, throughLsn, created, size: sizeBytes }, words)
    const catalogue = new Catalogue()
    let offset = BLOCK_HEADER_SIZE + HEAD_PAYLOAD_SIZE
    for (let block = await reader.next(); block !== undefined; block = await reader.next()) {
      const { tableId, recordCount } = block
      const size = block.end - block.start + BLOCK_HEADER_SIZE
      if (block.kind === BLOCK_DEFINITIONS) {
        defineAll(block, catalogue, reader)
        const tables = catalogue.names()
        const shapes = catalogue.shapes.count
        const words = `definitions: tables ${tables.join(", ")}; ${countOf(shapes, "shape")}; ${size} bytes`
        await tell(output, { offset, what: "definitions", tables, shapes, size }, words)
      } else {
        const table = catalogue.byId(tableId)?.name ?? `number ${tableId}`
        const compressed = compressedIn(block.buffer, block.start, block.end)
        const words = `${countOf(recordCount, "record")} of table ${table}, ${size} bytes${compressedText(compressed)}`
        await tell(output, { offset, what: "records", table, records: recordCount, size, compressed }, words)
      }
      offset += size
    }
    return await stopAt(output, sizeBytes, `whole: ${countOf(reader.info.records, "record")}`, false)
  } catch (error) {
    if (!(error instanceof Corruption)) throw error
    return await stopAt(output, error.offset, error.found, true)
  } finally {
    await reader?.close()
  }
}

async function tell(output: Output, part: Part, words: string): Promise<void> {
  if (output.isJson) await output.document(part)
  else await output.line(`${String(part.offset).padStart(10)}  ${words}`)
}

async function stopAt(output: Output, offset: number, what: string, isDamage: boolean): Promise<number> {
  if (output.isJson) await output.document({ offset, what: isDamage ? "damage" : "end", reason: what })
  else await output.line(`${String(offset).padStart(10)}  ${isDamage ? "DAMAGED: " : "end: "}${what}`)
  return isDamage ? EXIT_DAMAGED : EXIT_GOOD
}

/** The first bytes of a file, as many as there are. */
async function headOf(file: string, size: number): Promise<Uint8Array> {
  try {
    const handle = await nodePlatform.fileSystem.open(file, "read")
    try {
      const bytes = new Uint8Array(size)
      return bytes.subarray(0, await readFully(handle, bytes, 0))
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw storageFailed("read", file, error)
  }
}
