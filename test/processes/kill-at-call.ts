// Loaded ahead of a program (`node --import`): kills it with SIGKILL at the k-th call of the file system that it makes, as
// ORRERY_KILL_AT says. "before 17": in place of the call; "after 17": the moment it was handed over, so that the system may
// have done it, a part of it, or nothing. A program that comes to its end says how many calls there were.

import fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { isMainThread } from "node:worker_threads"

const CALLS =
  "open read write writev fdatasync fsync ftruncate close fstat lstat stat statfs rename link unlink readdir mkdir " +
  "rmdir rm access realpath readFile writeFile"

const [moment = "", call = "0"] = (process.env["ORRERY_KILL_AT"] ?? "").split(" ")
let count = 0

function counted(functions: Record<string, ((...rest: unknown[]) => unknown) | undefined>): void {
  for (const name of CALLS.split(" ")) {
    const original = functions[name]
    if (original === undefined) continue
    functions[name] = (...rest) => {
      const isLast = ++count === Number(call)
      if (isLast && moment === "before") process.kill(process.pid, "SIGKILL")
      const result = original(...rest)
      if (isLast) process.kill(process.pid, "SIGKILL")
      return result
    }
  }
}

if (isMainThread) {
  counted(fs as unknown as Parameters<typeof counted>[0])
  counted(fs.promises as unknown as Parameters<typeof counted>[0])
  syncBuiltinESMExports()
  process.once("exit", () => fs.writeSync(1, `calls ${count}\n`))
}
