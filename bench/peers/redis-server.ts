// A Redis server of one's own: on the loopback, on a free port, with its files in a directory, and gone with the process
// that began it, however that ends.

import { spawn, spawnSync } from "node:child_process"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { PeerUnavailable } from "./peer-list.ts"
import { RedisClient } from "./redis-client.ts"

/** When Redis syncs its log: before it answers, or every second. */
export type AppendFsync = "always" | "everysec"

export interface RedisServer {
  readonly port: number
  close(): Promise<void>
}

const START_MS_MAX = 10_000

/** Undefined where there is none. */
export function redisVersion(): string | undefined {
  const { stdout, status } = spawnSync("redis-server", ["--version"], { encoding: "utf8" })
  return status === 0 ? (/v=([\d.]+)/.exec(stdout)?.[1] ?? "of an unknown version") : undefined
}

/** Fails with: PeerUnavailable. */
export async function startRedis(directory: string, appendFsync: AppendFsync): Promise<RedisServer> {
  if (redisVersion() === undefined) throw new PeerUnavailable("redis-server is not installed")
  const port = await freePort()
  const options = `--port ${port} --bind 127.0.0.1 --dir . --appendonly yes --appendfsync ${appendFsync} --maxmemory 2gb`
  // The shell ends the server when the pipe is closed, be it by the death of this process.
  const script = `redis-server ${options} --save "" --daemonize no >/dev/null & server=$!; cat; kill $server; wait $server`
  const shell = spawn("sh", ["-c", script], { cwd: directory, stdio: ["pipe", "ignore", "inherit"] })
  const ended = new Promise<void>((resolve) => shell.once("close", () => resolve()))
  const close = async (): Promise<void> => {
    shell.stdin.end()
    await ended
  }
  const startMs = performance.now()
  for (;;) {
    try {
      const client = await RedisClient.open(port)
      await client.call("PING")
      client.close()
      return { port, close }
    } catch (error) {
      if (performance.now() - startMs > START_MS_MAX) {
        await close()
        throw new PeerUnavailable("redis-server does not answer", { cause: error })
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
