// Runs one of the example's files as a process of its own, and waits for its end.

import { fork } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

export interface ChildOptions<Message> {
  readonly execArguments?: readonly string[]
  /** Ends the child with SIGTERM, so that it can close what it has open. */
  readonly signal: AbortSignal
  readonly onMessage: (message: Message, child: ChildProcess) => void
}

export interface ChildEnd {
  /** Null if a signal ended it. */
  readonly exitCode: number | null
  readonly endSignal: NodeJS.Signals | null
}

/** Resolves when the child is gone and every message of it has been heard. Fails with: the signal's reason. */
export async function runChild<Message>(
  file: URL,
  childArguments: readonly string[],
  { execArguments = [], signal, onMessage }: ChildOptions<Message>,
): Promise<ChildEnd> {
  signal.throwIfAborted()
  const child = fork(fileURLToPath(file), childArguments, {
    execArgv: [...execArguments],
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  })
  const stop = (): void => void child.kill("SIGTERM")
  signal.addEventListener("abort", stop, { once: true })
  child.on("message", (message) => onMessage(message as Message, child))
  try {
    // `exit` may come while messages are still in the pipe, `close` comes after them.
    const [exitCode, endSignal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null]
    signal.throwIfAborted()
    return { exitCode, endSignal }
  } finally {
    signal.removeEventListener("abort", stop)
  }
}
