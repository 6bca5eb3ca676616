// Power cuts under a store of this bench, on a real file system (test/processes/power-box.ts): it writes until so many
// acknowledgements are there, and is looked at when the power is back.

import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { ProtocolReader } from "../src/testing/process-protocol.ts"
import { PowerBox } from "../test/processes/power-box.ts"
import type { FileSystemName } from "../test/processes/power-box.ts"
import type { Judge, Verdict } from "./durability-judge.ts"

const WRITER_MS_MAX = 10_000

export class PowerBench {
  readonly #box: PowerBox
  #cut = 0

  private constructor(box: PowerBox) {
    this.#box = box
  }

  static async make(folder: string, fileSystem: FileSystemName): Promise<PowerBench> {
    return new PowerBench(await PowerBox.make(folder, fileSystem))
  }

  /** Lets the store write until so many acknowledgements are there, cuts the power, and asks what is left. */
  async cut(store: string, acknowledgements: number, judge: Judge): Promise<Verdict> {
    const directory = join(this.#box.directory, `cut-${this.#cut++}`)
    mkdirSync(directory)
    // The directory is older than the cut.
    await this.#box.sync()
    const writer = join(import.meta.dirname, "durability-writer.ts")
    const command = [writer, directory, store, "0", "1000000"]
    const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"], cwd: "/" })
    const reader = new ProtocolReader()
    const closed = once(child, "close")
    const enough = Promise.withResolvers<void>()
    child.stdout.on("data", (bytes: Buffer) => {
      reader.take(bytes)
      if (reader.acknowledged.length >= acknowledgements) enough.resolve()
    })
    const timer = setTimeout(enough.resolve, WRITER_MS_MAX)
    await Promise.race([enough.promise, closed])
    clearTimeout(timer)
    // Stopped first: nothing is acknowledged once the power is gone.
    child.kill("SIGSTOP")
    await this.#box.cut()
    child.kill("SIGKILL")
    await closed
    await this.#box.restore()
    const verdict = await judge.ask(directory, reader.acknowledged)
    // It has files open on this mount.
    judge.close()
    rmSync(directory, { recursive: true, force: true })
    return verdict
  }

  async close(): Promise<void> {
    await this.#box.close()
  }
}
