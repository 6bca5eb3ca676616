// A worker that does what its job says, for the tests of workers.

import { serveWorker } from "../../src/platform/node/node-worker.ts"

export type Script =
  | { readonly kind: "answer"; readonly value: number }
  /** Answers after so long, and says meanwhile that it is alive. */
  | { readonly kind: "work"; readonly ms: number }
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
        alive(7)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      return { value: 1 }
    }
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
