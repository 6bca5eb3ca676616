// Opens the store for one command and closes it behind the command, whatever became of it. The tool makes a store only
// where that is asked for, and never a checkpoint that nobody asked for: the program that the store belongs to decides.

import { CannotOpen } from "../model/errors.ts"
import { nodePlatform } from "../platform/node/node-platform.ts"
import { open } from "../store/open.ts"
import type { OpenOptions } from "../store/options.ts"
import type { Store } from "../store/store.ts"
import { Progress } from "./progress.ts"

/** What the tool leaves to its user; everything else is the store's default. */
export type SessionOptions = Pick<OpenOptions, "alerts" | "create" | "keep" | "platform" | "prepared">

/** Fails with what `open` fails with, StoreLocked where another process has it open, and with what `run` fails with. */
export async function withStore<Result>(
  directory: string,
  run: (store: Store) => Promise<Result>,
  options: SessionOptions = {},
): Promise<Result> {
  const store = await openStore(directory, options)
  try {
    return await run(store)
  } finally {
    await store.close()
  }
}

async function openStore(directory: string, options: SessionOptions): Promise<Store> {
  const progress = new Progress("opening", nodePlatform.clock)
  try {
    return await open(directory, {
      create: false,
      checkpoint: false,
      onRecovery: ({ phase, doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes, phase),
      ...options,
    })
  } catch (error) {
    if (!(error instanceof CannotOpen) || error.cause !== undefined) throw error
    // Its own remedy is for programs.
    const reason = error.summary.slice(error.summary.lastIndexOf(": ") + 2)
    throw new CannotOpen(directory, reason, "Check the path; orrery load --create makes a store")
  } finally {
    progress.end()
  }
}
