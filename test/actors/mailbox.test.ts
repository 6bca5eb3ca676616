import { describe, expect, test } from "vitest"
import { Mailbox } from "../../src/actors/mailbox.ts"

describe("a mailbox", () => {
  test("gives messages back in the order in which they came", () => {
    const mailbox = new Mailbox<number>(10)
    for (const message of [1, 2, 3]) mailbox.push(message)
    expect(mailbox.take(10)).toEqual([1, 2, 3])
    expect(mailbox.count).toBe(0)
  })

  test("takes no more than its capacity, and refuses without harm", () => {
    const mailbox = new Mailbox<number>(2)
    expect([mailbox.push(1), mailbox.push(2), mailbox.push(3)]).toEqual([true, true, false])
    expect(mailbox.take(10)).toEqual([1, 2])
    expect(mailbox.push(4)).toBe(true)
  })

  test("takes at most what was asked for and keeps the rest", () => {
    const mailbox = new Mailbox<number>(10)
    for (const message of [1, 2, 3, 4, 5]) mailbox.push(message)
    expect(mailbox.take(2)).toEqual([1, 2])
    expect(mailbox.take(2)).toEqual([3, 4])
    expect(mailbox.count).toBe(1)
  })

  test("keeps the order when the ring wraps and when it grows while wrapped", () => {
    const mailbox = new Mailbox<number>(1_000)
    const taken: number[] = []
    let next = 0
    for (let round = 0; round < 60; round++) {
      for (let index = 0; index < 13; index++) mailbox.push(next++)
      taken.push(...mailbox.take(11))
    }
    taken.push(...mailbox.take(1_000))
    expect(taken).toEqual(Array.from({ length: next }, (_, index) => index))
  })

  test("gives an array that later messages do not change", () => {
    const mailbox = new Mailbox<number>(10)
    mailbox.push(1)
    const first = mailbox.take(10)
    mailbox.push(2)
    mailbox.take(10)
    expect(first).toEqual([1])
  })

  test("keeps undefined as a message", () => {
    const mailbox = new Mailbox<undefined>(4)
    mailbox.push(undefined)
    expect(mailbox.take(4)).toEqual([undefined])
  })

  test.each([0, -1, 1.5, Number.NaN])("refuses the capacity %s", (capacity) => {
    expect(() => new Mailbox(capacity)).toThrow(TypeError)
  })
})
