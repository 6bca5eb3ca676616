import * as Effect from "effect/Effect"
import { describe, expect, test } from "vitest"
import {
  checkSpecification,
  intensityOf,
  periodMsOf,
  restartOf,
  shutdownOf,
  type ChildSpecification,
  type SupervisorSpecification,
} from "../../src/actors/child-specification.ts"

const worker: ChildSpecification = { id: "worker", run: () => Effect.never }
const supervisor: SupervisorSpecification = {
  id: "root",
  type: "supervisor",
  strategy: "one_for_one",
  children: [worker],
}

describe("the defaults are those of OTP", () => {
  test("a worker is permanent and has 5 s to stop", () => {
    expect([restartOf(worker), shutdownOf(worker)]).toEqual(["permanent", 5_000])
  })

  test("a supervisor has as long as its children need to stop", () => {
    expect([restartOf(supervisor), shutdownOf(supervisor)]).toEqual(["permanent", "infinity"])
  })

  test("a supervisor allows ten restarts a minute", () => {
    expect([intensityOf(supervisor), periodMsOf(supervisor)]).toEqual([10, 60_000])
  })
})

test("a sound specification is accepted", () => {
  expect(() => checkSpecification(supervisor)).not.toThrow()
})

test.each<[string, ChildSpecification]>([
  ["an empty id", { ...worker, id: "" }],
  ["an id with a slash", { ...worker, id: "a/b" }],
  ["a negative shutdown time", { ...worker, shutdown: -1 }],
  ["a shutdown time that is no number", { ...worker, shutdown: Number.NaN }],
  ["an endless shutdown time as a number", { ...worker, shutdown: Number.POSITIVE_INFINITY }],
  ["a negative intensity", { ...supervisor, intensity: -1 }],
  ["a fractional intensity", { ...supervisor, intensity: 1.5 }],
  ["an empty period", { ...supervisor, periodMs: 0 }],
  ["two children with one id", { ...supervisor, children: [worker, worker] }],
  ["a fault further down", { ...supervisor, children: [{ ...supervisor, id: "inner", intensity: -1 }] }],
])("%s is refused", (_, specification) => {
  expect(() => checkSpecification(specification)).toThrow(TypeError)
})

test("the refusal names the path", () => {
  const inner: SupervisorSpecification = { ...supervisor, id: "inner", children: [{ ...worker, id: "" }] }
  expect(() => checkSpecification({ ...supervisor, children: [inner] })).toThrow("root/inner/")
})
