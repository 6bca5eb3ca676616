// The line in front of a full log: first in, first out, bounded, and nobody forgotten in it.

import { getEventListeners } from "node:events"
import { describe, expect, test } from "vitest"
import { Overloaded } from "../../src/model/errors.ts"
import { Admission } from "../../src/wal/admission.ts"

const always = (): boolean => true

describe("admission", () => {
  test("lets writes in first in, first out, for as long as there is room", async () => {
    const admission = new Admission(100)
    const done: number[] = []
    let room = 0
    const waits = Array.from({ length: 10 }, (_, n) =>
      admission.wait(async () => {
        room--
        done.push(n)
        return n
      }, undefined),
    )
    expect(admission.count).toBe(10)
    admission.admit(() => room > 0)
    expect(done).toEqual([])
    for (const more of [3, 1, 6]) {
      room = more
      admission.admit(() => room > 0)
      expect(room).toBe(0)
    }
    expect(await Promise.all(waits)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(admission.count).toBe(0)
  })

  test("does no write before its turn", async () => {
    const admission = new Admission(1)
    let isDone = false
    const wait = admission.wait(async () => {
      isDone = true
    }, undefined)
    await new Promise((resolve) => setImmediate(resolve))
    expect(isDone).toBe(false)
    admission.admit(always)
    await wait
    expect(isDone).toBe(true)
  })

  test("hands on what the write fails with", async () => {
    const admission = new Admission(1)
    const wait = admission.wait(() => Promise.reject(new Error("bad")), undefined)
    admission.admit(always)
    await expect(wait).rejects.toThrow("bad")
  })

  test("sends away whoever comes when the line is full, and says how many wait", async () => {
    const admission = new Admission(2)
    const waits = [1, 2].map((n) => admission.wait(async () => n, undefined))
    const refused = admission.wait(async () => 3, undefined)
    await expect(refused).rejects.toThrow(Overloaded)
    await expect(refused).rejects.toMatchObject({ code: "ORRERY_OVERLOADED", waiting: 2 })
    admission.admit(always)
    expect(await Promise.all(waits)).toEqual([1, 2])
    const later = admission.wait(async () => 4, undefined)
    admission.admit(always)
    expect(await later).toBe(4)
  })

  test("takes a waiting write back when its signal says so, with the signal's reason", async () => {
    const admission = new Admission(10)
    const done: number[] = []
    const controller = new AbortController()
    const waits = [0, 1, 2].map((n) =>
      admission.wait(async () => done.push(n), n === 1 ? controller.signal : undefined),
    )
    controller.abort(new Error("changed my mind"))
    await expect(waits[1]).rejects.toThrow("changed my mind")
    admission.admit(always)
    await Promise.all([waits[0], waits[2]])
    expect(done).toEqual([0, 2])
  })

  test("passes over writes that were taken back without using up room", async () => {
    const admission = new Admission(10)
    const controller = new AbortController()
    const waits = Array.from({ length: 5 }, () => admission.wait(async () => undefined, controller.signal))
    let room = 1
    const last = admission.wait(async () => room--, undefined)
    controller.abort(new Error("gone"))
    for (const wait of waits) await expect(wait).rejects.toThrow("gone")
    admission.admit(() => room > 0)
    expect(await last).toBe(1)
  })

  test("gives the place of a write that was taken back to another at once", async () => {
    const admission = new Admission(3)
    for (let round = 0; round < 1_000; round++) {
      const controller = new AbortController()
      const waits = [1, 2, 3].map(() => admission.wait(async () => undefined, controller.signal))
      expect(admission.count).toBe(3)
      controller.abort(new Error("gone"))
      for (const wait of waits) await expect(wait).rejects.toThrow("gone")
      expect(admission.count).toBe(0)
    }
    const wait = admission.wait(async () => "served", undefined)
    admission.admit(always)
    expect(await wait).toBe("served")
    expect(admission.count).toBe(0)
  })

  test("does not take in a write whose signal was aborted before", async () => {
    const admission = new Admission(3)
    const wait = admission.wait(async () => undefined, AbortSignal.abort(new Error("too late")))
    await expect(wait).rejects.toThrow("too late")
    expect(admission.count).toBe(0)
  })

  test("keeps those that wait in order when others among them are taken back", async () => {
    const admission = new Admission(1_000)
    const done: number[] = []
    const controllers: AbortController[] = []
    const waits: Promise<unknown>[] = []
    for (let n = 0; n < 400; n++) {
      const controller = new AbortController()
      if (n % 4 !== 0) controllers.push(controller)
      waits.push(admission.wait(async () => done.push(n), controller.signal).catch(() => undefined))
    }
    let room = 5
    admission.admit(() => room-- > 0)
    for (const controller of controllers) controller.abort()
    admission.admit(always)
    await Promise.all(waits)
    expect(done).toEqual([0, 1, 2, 3, 4, ...Array.from({ length: 98 }, (_, at) => 8 + 4 * at)])
    expect(admission.count).toBe(0)
  })

  test("keeps no listener on a signal once the write has had its turn", async () => {
    const admission = new Admission(10)
    const { signal } = new AbortController()
    const wait = admission.wait(async () => 1, signal)
    expect(getEventListeners(signal, "abort")).toHaveLength(1)
    admission.admit(always)
    expect(await wait).toBe(1)
    expect(getEventListeners(signal, "abort")).toHaveLength(0)
  })

  test("sends everybody away when it must, and takes in those who come later", async () => {
    const admission = new Admission(10)
    const first = admission.wait(async () => 0, undefined)
    admission.admit(always)
    const controller = new AbortController()
    const waits = [1, 2, 3].map((n) => admission.wait(async () => n, controller.signal))
    admission.rejectAll(new Error("closed"))
    for (const wait of waits) await expect(wait).rejects.toThrow("closed")
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0)
    controller.abort()
    expect(await first).toBe(0)
    expect(admission.count).toBe(0)
    const later = admission.wait(async () => 4, undefined)
    admission.admit(always)
    expect(await later).toBe(4)
  })

  test("stands it when a write lets others in or adds to the line", async () => {
    const admission = new Admission(1_000)
    const done: number[] = []
    const waits: Promise<unknown>[] = []
    for (let n = 0; n < 100; n++) {
      const wait = admission.wait(async () => {
        done.push(n)
        if (n === 10) waits.push(admission.wait(async () => done.push(100), undefined))
        admission.admit(always)
      }, undefined)
      waits.push(wait)
    }
    admission.admit(always)
    await Promise.all(waits)
    expect(done).toEqual(Array.from({ length: 101 }, (_, n) => n))
  })

  test("keeps its order over tens of thousands that come and go", async () => {
    const admission = new Admission(20_000)
    const done: number[] = []
    const waits: Promise<unknown>[] = []
    let next = 0
    for (let round = 0; round < 20; round++) {
      for (let n = 0; n < 1_500; n++) {
        const mine = next++
        waits.push(admission.wait(async () => done.push(mine), undefined))
      }
      let room = 1_000
      admission.admit(() => room-- > 0)
    }
    admission.admit(always)
    await Promise.all(waits)
    expect(done).toEqual(Array.from({ length: 30_000 }, (_, n) => n))
    expect(admission.count).toBe(0)
  })
})
