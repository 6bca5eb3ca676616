// The crash test of the toy store, whatever its mistakes: the model is a plain object.

import fc from "fast-check"
import type { CrashOptions } from "../../src/testing/crash-options.ts"
import { ToyStore, type ToyContent, type ToyMistake } from "./toy-store.ts"

export type ToyOp = { readonly put: ToyContent } | { readonly compact: true }
export type ToyOptions = CrashOptions<ToyStore, ToyOp, void, ToyContent>

export const toyHistories: fc.Arbitrary<ToyOp[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ put: fc.dictionary(fc.constantFrom("a", "b", "c"), fc.nat(99), { minKeys: 1 }) }),
    },
    { weight: 1, arbitrary: fc.constant({ compact: true as const }) },
  ),
  { minLength: 1, maxLength: 12 },
)

/** With a seed of its own for each test, and nothing written. */
export function toyTest(seed: number, ...mistakes: readonly ToyMistake[]): ToyOptions {
  return {
    open: ({ fileSystem }, path) => ToyStore.open(fileSystem, path, ...mistakes),
    ops: toyHistories,
    run: (store, op) => ("put" in op ? store.put(op.put) : store.compact()),
    model: { initial: {}, apply: (state, op) => ("put" in op ? { ...state, ...op.put } : state) },
    recoveredView: (store) => store.content(),
    seed,
    artifacts: false,
    budget: { ms: 8_000, shrinkMs: 6_000, states: 20_000, histories: 100 },
  }
}
