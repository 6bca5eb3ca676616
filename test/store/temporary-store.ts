// Stores in directories of their own that go when the test ends, on the real disk.

import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { onTestFinished } from "vitest"
import { open } from "../../src/index.ts"
import type { OpenOptions, Store } from "../../src/index.ts"

export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "orrery-test-"))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

/** An open store in a new directory; closed when the test ends. */
export async function temporaryStore(options: OpenOptions = {}): Promise<Store> {
  const store = await open(join(await temporaryDirectory(), "store"), options)
  onTestFinished(() => store.close())
  return store
}
