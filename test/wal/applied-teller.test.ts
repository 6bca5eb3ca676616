// Commits that are told of before they are on the disk: all of a turn at once, each once, never within the call that
// commits, and none any more behind the end of the log.

import { expect, test } from "vitest"
import type { LogFrame } from "../../src/format/log-frame.ts"
import { scene, turn } from "./commit-scene.ts"
import type { Scene } from "./commit-scene.ts"

interface Told {
  readonly lsns: [number, number]
  readonly size: number
}

/** A scene in which somebody hears of commits when they are made. */
function heard(onFrame: (frame: LogFrame, made: Scene) => void = () => undefined): Scene & { readonly frames: Told[] } {
  const made = scene()
  const frames: Told[] = []
  made.commit.tellApplied((frame) => {
    frames.push({ lsns: [frame.firstLsn, frame.lastLsn], size: frame.end - frame.start })
    onFrame(frame, made)
  })
  return { ...made, frames }
}

test("the commits of a turn are told of together, at its end, and not again when they are durable", async () => {
  const { log, write, frames } = heard()
  void write("synced", 64)
  void write("memory", 8)
  expect(frames).toEqual([])
  await turn()
  expect(frames).toEqual([{ lsns: [11, 12], size: 72 }])
  await log.end()
  await turn()
  expect(frames).toHaveLength(1)
})

test("what comes into a batch that was told of is told of alone", async () => {
  const { write, frames } = heard()
  void write("memory", 64)
  await turn()
  void write("memory", 16)
  await turn()
  expect(frames).toEqual([
    { lsns: [11, 11], size: 64 },
    { lsns: [12, 12], size: 16 },
  ])
})

test("a batch that is full within the turn is told of before it is used anew", async () => {
  const { log, commit, write, frames } = heard()
  void write("synced", 100_000)
  // Handed over within the call, and written before the turn has ended for whoever listens.
  void write("synced", 8)
  await log.end()
  expect(frames.map(({ lsns }) => lsns)).toEqual([
    [11, 11],
    [12, 12],
  ])
  expect(commit.batch.toldCount).toBe(0)
})

test("what was committed before anybody listened is not told of", async () => {
  const made = scene()
  void made.write()
  await turn()
  void made.write("memory", 16)
  const lsns: number[][] = []
  made.commit.tellApplied(({ firstLsn, lastLsn }) => lsns.push([firstLsn, lastLsn]))
  await turn()
  expect(lsns).toEqual([])
  void made.write("memory", 8)
  await turn()
  await made.log.end()
  expect(lsns).toEqual([[13, 13]])
})

test("who writes whenever it hears of a write lets others have their turns", async () => {
  const { clock, write, frames } = heard((_, made) => {
    if (made.commit.lastLsn < 15) void made.write("memory", 8)
  })
  void write("memory")
  await turn()
  expect(frames).toHaveLength(1)
  for (let n = 2; n <= 5; n++) {
    clock.advanceToNext()
    expect(frames).toHaveLength(n)
  }
  expect(frames.map(({ lsns }) => lsns[1])).toEqual([11, 12, 13, 14, 15])
})

test("behind the end of the log nobody hears of what it took back", async () => {
  const { commit, write, frames } = heard()
  void write("memory")
  commit.abandon(new Error("killed"))
  await turn()
  expect(frames).toEqual([])
})
