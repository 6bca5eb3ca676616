// OTP's supervisor as a pure fold: what one supervisor of instant children must do, event by event. Written from the
// rules (restart type, strategy, restart intensity, order), without fibers, promises or clocks, to compare the real one
// with.

import type { Restart, Strategy } from "../../src/actors/child-specification.ts"

export interface ModelSettings {
  readonly strategy: Strategy
  readonly restarts: readonly Restart[]
  readonly intensity: number
  readonly periodMs: number
  /** 0: none. */
  readonly backoffMs: number
}

export type Step =
  | { readonly kind: "crash" | "exit" | "kill"; readonly child: number }
  /** The next `count` starts of the child fail. */
  | { readonly kind: "failStarts"; readonly child: number; readonly count: number }
  /** The supervisor gets its turn. */
  | { readonly kind: "turn" }
  /** The supervisor gets its turn, and again after the time. */
  | { readonly kind: "advance"; readonly ms: number }

export interface Observation {
  /** "+0": a life of child 0 began, "-0": it ended. */
  readonly log: readonly string[]
  readonly running: readonly number[]
  readonly incarnations: readonly number[]
  /** The child that the supervisor gave up on. */
  readonly escalatedBy: number | undefined
}

interface Child {
  readonly index: number
  readonly restart: Restart
  isAlive: boolean
  /** The number of the life that the supervisor knows of; undefined when it knows of none. */
  known: number | undefined
  incarnation: number
  awaitsStart: boolean
  pending: Pending | undefined
  startFailureCount: number
}

interface Pending {
  readonly dueMs: number
  /** Of those due together the one set first comes first. */
  readonly order: number
}

type Task =
  | { readonly kind: "ended"; readonly child: Child; readonly life: number; readonly isCrash: boolean }
  | { readonly kind: "start"; readonly child: Child; readonly pending: Pending }

/** What is to be seen after all steps. */
export function supervise(settings: ModelSettings, steps: readonly Step[]): Observation {
  const log: string[] = []
  const children = settings.restarts.map((restart, index): Child => ({
    index,
    restart,
    isAlive: false,
    known: undefined,
    incarnation: 0,
    awaitsStart: true,
    pending: undefined,
    startFailureCount: 0,
  }))
  const tasks: Task[] = []
  let restartTimesMs: readonly number[] = []
  let nowMs = 0
  let pendingCount = 0
  let escalatedBy: number | undefined

  const groupOf = (child: Child): readonly Child[] =>
    settings.strategy === "one_for_one"
      ? [child]
      : children.slice(settings.strategy === "one_for_all" ? 0 : child.index)

  const end = (child: Child): void => {
    if (!child.isAlive) return
    child.isAlive = false
    log.push(`-${child.index}`)
  }

  const startGroup = (group: readonly Child[]): void => {
    for (const child of group) {
      if (!child.awaitsStart) continue
      child.pending = undefined
      child.isAlive = true
      child.known = ++child.incarnation
      log.push(`+${child.index}`)
      if (child.startFailureCount > 0) {
        child.startFailureCount--
        child.known = undefined
        end(child)
        restart(child, false)
        return
      }
      child.awaitsStart = false
    }
  }

  const restart = (child: Child, isFirstTry: boolean): void => {
    const recent = restartTimesMs.filter((thenMs) => nowMs - thenMs <= settings.periodMs)
    if (recent.length === settings.intensity) {
      escalatedBy = child.index
      for (const other of children.toReversed()) end(other)
      return
    }
    restartTimesMs = [...recent, nowMs]
    const group = groupOf(child)
    for (const member of group.toReversed()) {
      end(member)
      member.known = undefined
      member.pending = undefined
      member.awaitsStart = member.restart !== "temporary"
    }
    if (isFirstTry && settings.backoffMs === 0) {
      startGroup(group)
      return
    }
    child.pending = { dueMs: nowMs + settings.backoffMs, order: pendingCount++ }
    if (settings.backoffMs === 0) tasks.push({ kind: "start", child, pending: child.pending })
  }

  const turn = (): void => {
    for (let task = tasks.shift(); task !== undefined && escalatedBy === undefined; task = tasks.shift()) {
      const { child } = task
      if (task.kind === "start") {
        if (child.pending === task.pending) startGroup(groupOf(child))
      } else if (child.known === task.life) {
        child.known = undefined
        if (child.restart === "permanent" || (child.restart === "transient" && task.isCrash)) restart(child, true)
      }
    }
  }

  const advance = (ms: number): void => {
    nowMs += ms
    const due = children
      .flatMap((child) => (child.pending === undefined ? [] : [{ child, pending: child.pending }]))
      .filter(({ pending }) => pending.dueMs <= nowMs)
    due.sort((one, other) => one.pending.dueMs - other.pending.dueMs || one.pending.order - other.pending.order)
    for (const { child, pending } of due) tasks.push({ kind: "start", child, pending })
  }

  startGroup(children)
  for (const step of steps) {
    if (escalatedBy !== undefined) break
    const child = "child" in step ? children[step.child % children.length] : undefined
    switch (step.kind) {
      case "turn":
        turn()
        break
      case "advance":
        turn()
        advance(step.ms)
        turn()
        break
      case "failStarts":
        if (child !== undefined) child.startFailureCount += step.count
        break
      case "crash":
      case "exit":
      case "kill":
        if (child === undefined || !child.isAlive) break
        end(child)
        tasks.push({ kind: "ended", child, life: child.incarnation, isCrash: step.kind !== "exit" })
    }
  }
  turn()
  return {
    log,
    running: children.filter(({ isAlive }) => isAlive).map(({ index }) => index),
    incarnations: children.map(({ incarnation }) => incarnation),
    escalatedBy,
  }
}
