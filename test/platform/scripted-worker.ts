// A worker that does what its job says, for the tests of workers.

import { threadId } from "node:worker_threads"
import { serveWorker } from "../../src/platform/node/node-worker.ts"

export type Script =
  | { readonly kind: "answer"; readonly value: number }
  /** Answers after so long, and says meanwhile that it is alive. */
  | { readonly kind: "work"; readonly ms: number }
  /** Answers how often it rested in so many calls, once it was told whether to hurry. */
  | { readonly kind: "rest"; readonly calls: number; readonly untilHurried: boolean }
  /** Answers which thread it is. */
  | { readonly kind: "thread" }
  | { readonly kind: "hang" }
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "throw" }
  | { readonly kind: "nonsense"; readonly message: unknown }
  | { readonly kind: "function" }

await serveWorker(async (script: Script, alive): Promise<unknown> => {
  switch (script.kind) {
    case "answer":
      return { value: script.value }
    case "work": {
      const endMs = performance.now() + script.ms
      while (performance.now() < endMs) {
        void alive(7)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      return { value: 1 }
    }
    case "rest": {
      let rests = 0
      for (let call = 0; call < script.calls || (script.untilHurried && rests > 0); call++) {
        const startMs = performance.now()
        while (performance.now() - startMs < 3);
        const rest = alive(0)
        rests = rest === undefined ? 0 : rests + 1
        await rest
        await new Promise((resolve) => setImmediate(resolve))
      }
      return { value: rests }
    }
    case "thread":
      return { value: threadId }
    case "hang":
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
      return undefined
    case "exit":
      return process.exit(script.code)
    case "throw":
      throw new Error("a defect")
    case "nonsense":
      return script.message
    case "function":
      return () => undefined
  }
})
