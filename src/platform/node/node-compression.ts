// Zstandard by Node's own zlib (since 22.15), at level 1. A call sets a context up and frees it: some 17 µs to compress and
// 12 µs to decompress, whatever the size. The handles behind zlib's streams could be kept and would save a third of that, but
// they are nobody's interface (docs/decisions/0026).
//
// Every call has a bound for its output, and for the window that a frame may ask for before a byte has come out of it.

// As a namespace: a Node without them must come as far as to say that it is too old (required-node.ts).
import * as zlib from "node:zlib"
import type { Compression } from "../../model/compression.ts"

const LEVEL = 1
/** Output is taken in pieces of this size at most: a frame that lies about its size costs one piece. */
const CHUNK_SIZE_MAX = 64 * 1024
/** Smallest piece that zlib takes. */
const CHUNK_SIZE_MIN = 64
/** Smallest window that zstd lets one ask for, as a power of two. */
const WINDOW_LOG_MIN = 10

const COMPRESS_PARAMS: Readonly<Record<number, number>> = {
  [zlib.constants.ZSTD_c_compressionLevel]: LEVEL,
  // Four bytes and no time to speak of, for a value that is found damaged in memory and by readers of a feed, too.
  [zlib.constants.ZSTD_c_checksumFlag]: 1,
}

export const nodeCompression: Compression = {
  compress(bytes) {
    // Its size said beforehand lets zstd choose tables, and the reader's window, to fit it.
    const pledgedSrcSize = bytes.length
    return zlib.zstdCompressSync(bytes, {
      params: COMPRESS_PARAMS,
      pledgedSrcSize,
      chunkSize: chunkSizeOf(pledgedSrcSize),
    })
  },

  decompress(frame, size) {
    const windowLog = Math.max(WINDOW_LOG_MIN, 32 - Math.clz32(size - 1))
    try {
      const { buffer, engine } = zlib.zstdDecompressSync(frame, {
        params: { [zlib.constants.ZSTD_d_windowLogMax]: windowLog },
        chunkSize: chunkSizeOf(size),
        maxOutputLength: size,
        info: true,
      }) as unknown as Told
      // What stands behind the frame is passed over silently.
      return buffer.length === size && engine.bytesWritten === frame.length ? buffer : undefined
    } catch (error) {
      if (isAboutTheBytes(error)) return undefined
      throw error
    }
  },
}

/** What zlib gives with `info`, which its types do not know. */
interface Told {
  readonly buffer: Buffer
  /** `bytesWritten`: of input that was used. */
  readonly engine: { readonly bytesWritten: number }
}

function chunkSizeOf(size: number): number {
  return Math.min(CHUNK_SIZE_MAX, Math.max(CHUNK_SIZE_MIN, size))
}

/** Whether an error of zlib says that the input is no such frame; want of memory, for one, does not. */
function isAboutTheBytes(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : ""
  if (code === "ZSTD_error_memory_allocation") return false
  return code.startsWith("ZSTD_error_") || code.startsWith("Z_") || code === "ERR_BUFFER_TOO_LARGE"
}
