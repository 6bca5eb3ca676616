// A file system whose power can be cut: in a file, behind a loop device. It is shut down under whoever writes
// (FS_IOC_SHUTDOWN without writing its log) and mounted again: what had not reached the device is gone. Needs Linux, root,
// loop devices, xfs_io of xfsprogs, and the mkfs of the file system.

import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

export type FileSystemName = "ext4" | "xfs"

const IMAGE_SIZE = 512 * 1024 * 1024
const COMMAND_MS_MAX = 60_000
const FOLDER_NAME = "orrery-power-"
const UNMOUNT_TRIES = 200
const UNMOUNT_PAUSE_MS = 10

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
  /** Where the file system is mounted. */
  readonly directory: string
  readonly #image: string
  readonly #device: string

  private constructor(directory: string, image: string, device: string) {
    this.directory = directory
    this.#image = image
    this.#device = device
  }

  /** Makes a file system with its image in the folder, and mounts it. */
  static async make(folder: string, fileSystem: FileSystemName): Promise<PowerBox> {
    const directory = join(folder, `${fileSystem}-mounted`)
    const image = join(folder, `${fileSystem}.img`)
    mkdirSync(directory, { recursive: true })
    writeFileSync(image, "")
    truncateSync(image, IMAGE_SIZE)
    const device = (await run("losetup", "-f", "--show", image)).trim()
    try {
      await run(`mkfs.${fileSystem}`, "-q", device)
      await run("mount", device, directory)
    } catch (error) {
      await run("losetup", "-d", device)
      throw error
    }
    return new PowerBox(directory, image, device)
  }

  /** Makes everything durable that is there. */
  async sync(): Promise<void> {
    await run("sync", "-f", this.directory)
  }

  /**
   * Cuts the power: nothing more reaches the device. Stop whoever writes before, so that it tells nobody of what comes
   * after, and end it before the power comes back: nothing may have a file open here then.
   */
  async cut(): Promise<void> {
    await run("xfs_io", "-x", "-c", "shutdown", this.directory)
  }

  /** Mounts what is left, as a start of the machine does. */
  async restore(): Promise<void> {
    await this.#unmount()
    await run("mount", this.#device, this.directory)
  }

  async close(): Promise<void> {
    await this.#unmount()
    await run("losetup", "-d", this.#device)
    rmSync(this.#image, { force: true })
  }

  /** Again and again while a process that was killed still holds it. */
  async #unmount(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await run("umount", this.directory)
        return
      } catch (error) {
        if (attempt === UNMOUNT_TRIES) throw error
        await new Promise((resolve) => setTimeout(resolve, UNMOUNT_PAUSE_MS))
      }
    }
  }
}

/** The name of a folder for boxes begins so: it tells whose they are. */
export function powerFolderPrefix(): string {
  return join(tmpdir(), `${FOLDER_NAME}${process.pid}-`)
}

/** Takes away the boxes of processes that were killed. */
export async function removeLeftBoxes(): Promise<void> {
  for (const line of readFileSync("/proc/mounts", "utf8").split("\n")) {
    const [device = "", directory = ""] = line.split(" ")
    const [, pid] = new RegExp(`/${FOLDER_NAME}(\\d+)-`).exec(directory) ?? []
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue
    await run("umount", directory)
    await run("losetup", "-d", device)
    rmSync(dirname(directory), { recursive: true, force: true })
  }
}

/** Runs a command to its end; returns what it printed. */
function run(command: string, ...rest: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"], timeout: COMMAND_MS_MAX })
    let output = ""
    let complaint = ""
    child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString()))
    child.stderr.on("data", (bytes: Buffer) => (complaint += bytes.toString()))
    child.on("error", reject)
    child.on("close", (exitCode, signal) => {
      if (exitCode === 0) resolve(output)
      else reject(new Error(`${command} ${rest.join(" ")} ended with ${exitCode ?? signal}: ${complaint.trim()}`))
    })
  })
}
