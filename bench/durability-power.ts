// Power cuts on real file systems: a file system in a file, behind a loop device, that is shut down under the writer
// (FS_IOC_SHUTDOWN without writing its log), mounted again, and looked at. What had not reached the device is gone. Needs
// root, loop devices, xfs_io of xfsprogs, and the mkfs of the file system.

import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { ProtocolReader } from "../src/testing/process-protocol.ts"
import type { Judge, Verdict } from "./durability-judge.ts"

export type FileSystemName = "ext4" | "xfs"

const IMAGE_SIZE = 512 * 1024 * 1024
const COMMAND_MS_MAX = 30_000
const WRITER_MS_MAX = 10_000
const UNMOUNT_TRIES = 50

/** Undefined where power can be cut here; else why not, in one line. */
export function powerCutsUnavailable(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "power cuts need Linux and root"
  for (const [command, ...rest] of [
    ["losetup", "-f"],
    ["xfs_io", "-V"],
    ["mkfs.xfs", "-V"],
    ["mkfs.ext4", "-V"],
  ]) {
    const { status, error } = spawnSync(command as string, rest, { stdio: "ignore", timeout: COMMAND_MS_MAX })
    if (status !== 0 || error !== undefined) return `power cuts need ${command} (Debian: apt-get install xfsprogs)`
  }
  return undefined
}

export class PowerBox {
  readonly #mount: string
  readonly #image: string
  readonly #device: string
  #cut = 0

  constructor(folder: string, fileSystem: FileSystemName) {
    this.#mount = join(folder, `${fileSystem}-mounted`)
    this.#image = join(folder, `${fileSystem}.img`)
    mkdirSync(this.#mount, { recursive: true })
    writeFileSync(this.#image, "")
    truncateSync(this.#image, IMAGE_SIZE)
    this.#device = run("losetup", "-f", "--show", this.#image).trim()
    run(`mkfs.${fileSystem}`, "-q", this.#device)
    this.#mountAgain()
  }

  /** Lets the store write until so many acknowledgements are there, cuts the power, and asks what is left. */
  async cut(store: string, acknowledgements: number, judge: Judge): Promise<Verdict> {
    const directory = join(this.#mount, `cut-${this.#cut++}`)
    mkdirSync(directory)
    // The directory is older than the cut.
    run("sync", "-f", this.#mount)
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
    run("xfs_io", "-x", "-c", "shutdown", this.#mount)
    child.kill("SIGKILL")
    await closed
    await this.#unmount()
    this.#mountAgain()
    const verdict = await judge.ask(directory, reader.acknowledged)
    // It has files open on this mount.
    judge.close()
    rmSync(directory, { recursive: true, force: true })
    return verdict
  }

  async close(): Promise<void> {
    await this.#unmount()
    run("losetup", "-d", this.#device)
    rmSync(this.#image, { force: true })
  }

  #mountAgain(): void {
    run("mount", this.#device, this.#mount)
  }

  /** Again and again while a process that was killed still holds it. */
  async #unmount(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const { status, stderr } = spawnSync("umount", [this.#mount], { encoding: "utf8", timeout: COMMAND_MS_MAX })
      if (status === 0) return
      if (attempt >= UNMOUNT_TRIES) throw new Error(`umount ${this.#mount}: ${stderr}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

function run(command: string, ...rest: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, rest, { encoding: "utf8", timeout: COMMAND_MS_MAX })
  if (status !== 0) throw new Error(`${command} ${rest.join(" ")}: ${error?.message ?? stderr}`)
  return stdout
}
