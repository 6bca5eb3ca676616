// Loaded ahead of everything, in every thread (`node --import`): a worker that begins under ORRERY_WORKER_FATE meets that
// fate at its k-th call of the file system, whatever it is doing then. The main thread is left alone.

import fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { isMainThread, parentPort } from "node:worker_threads"

const CALLS = ["open", "read", "write", "fdatasync", "fsync", "rename", "unlink", "close", "fstat"] as const

const [fate = "", call = "0"] = (process.env["ORRERY_WORKER_FATE"] ?? "").split(" ")

function meet(): void {
  switch (fate) {
    case "exit":
      process.exit(7)
      break
    case "throw":
      throw new Error("a defect in the worker")
    case "hang":
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
      break
    case "nonsense":
      parentPort?.postMessage({ kind: "made", checkpoint: { number: "one" } })
      break
    case "lie": {
      const checkpoint = { number: 1_000_000, throughLsn: 1e15, records: 0, sizeBytes: 1, createdMs: 0 }
      parentPort?.postMessage({ kind: "made", checkpoint })
      break
    }
  }
}

if (!isMainThread && fate !== "") {
  let count = 0
  const functions = fs as unknown as Record<string, (...rest: unknown[]) => unknown>
  for (const name of CALLS) {
    const original = functions[name]
    functions[name] = (...rest) => {
      if (++count === Number(call)) meet()
      return original?.(...rest)
    }
  }
  syncBuiltinESMExports()
}
