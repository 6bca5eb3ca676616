// Functions made from text, for the two places where a generated function is several times faster than a loop: objects
// of a learnt shape, and short strings. A runtime may forbid it (--disallow-code-generation-from-strings); then there is
// no function, and the caller uses its loop.

/**
 * The function that `body` returns, where `parameters` names the given values. Undefined where the runtime forbids it.
 * Requires: `body` holds nothing from outside, except string literals made by JSON.stringify.
 */
export function compile(parameters: Readonly<Record<string, unknown>>, body: string): unknown {
  try {
    const make = Reflect.construct(Function, [...Object.keys(parameters), `"use strict"; ${body}`]) as Make
    return make(...Object.values(parameters))
  } catch (error) {
    if (error instanceof EvalError) return undefined
    throw error
  }
}

type Make = (...values: readonly unknown[]) => unknown
