// Cycles of dependencies, each named by the weakest guarantee that it breaks, and as short as a bounded search makes it.
// Whether there is one is never left to that search: the components of the graph decide it.

import {
  alternatingGraphOf,
  componentsOf,
  PathFinder,
  PROCESS,
  REALTIME,
  RW,
  subgraphOf,
  UPDATE,
  WR,
  WW,
} from "./check-graph.ts"
import type { Components, Graph, Step } from "./check-graph.ts"
import type { CycleType } from "./check-anomalies.ts"

/** Which cycles a model forbids: of ww; of ww and wr; those without two rw in a row; all. */
export type CycleLevel = "ww" | "wr" | "alternating" | "all"

export interface FoundCycle {
  readonly type: CycleType
  readonly steps: readonly Step[]
}

/** Edges to look at when looking for shorter cycles in one component. */
const SEARCH_EDGES_MAX = 20_000_000
const SEARCHES_MAX = 64

const ORDER = PROCESS | REALTIME
/** What the weaker models do not look at. */
const ANTI_DEPENDENCY = RW | UPDATE

export function findCycles(whole: Graph, level: CycleLevel, onCycle: (cycle: FoundCycle) => void): void {
  // One look decides for most histories; only what lies on a forbidden cycle is looked at more closely.
  const suspects = suspectNodes(whole, level)
  if (suspects === undefined) return
  const { graph, original } = subgraphOf(whole, (node) => suspects[node] === 1)
  const isExplained = new Uint8Array(graph.nodeCount)
  const report = (type: CycleType, steps: readonly Step[]): void => {
    const real = (node: number): number => original[node] as number
    onCycle({
      type,
      steps: steps.map(({ source, target, kind }) => ({ source: real(source), target: real(target), kind })),
    })
  }
  const finder = new PathFinder(graph)
  for (const order of [0, ORDER]) {
    const named = (name: "G0" | "G1c" | "G-single" | "G-nonadjacent" | "G2-item", steps: readonly Step[]): void => {
      const suffix = steps.some(({ kind }) => kind === REALTIME)
        ? "-realtime"
        : steps.some(({ kind }) => kind === PROCESS)
          ? "-process"
          : ""
      report(`${name}${suffix}`, steps)
    }
    plainCycles(graph, finder, WW | order, isExplained, (steps) => named("G0", steps))
    if (level === "ww") continue
    plainCycles(graph, finder, WW | WR | order, isExplained, (steps) => named("G1c", steps))
    if (level === "wr") continue
    alternatingCycles(graph, finder, order, isExplained, (steps) => {
      const count = steps.filter(({ kind }) => (kind & ANTI_DEPENDENCY) !== 0).length
      named(count === 1 ? "G-single" : "G-nonadjacent", steps)
    })
    if (level === "alternating") continue
    plainCycles(graph, finder, WW | WR | ANTI_DEPENDENCY | order, isExplained, (steps) => named("G2-item", steps))
  }
}

/** 1 for every node on a forbidden cycle; undefined where there is no such cycle. */
function suspectNodes(graph: Graph, level: CycleLevel): Uint8Array | undefined {
  const kinds = level === "ww" ? WW : level === "wr" ? WW | WR : WW | WR | ANTI_DEPENDENCY
  const isAlternating = level === "alternating"
  const { componentOf, count } = componentsOf(isAlternating ? alternatingGraphOf(graph) : graph, kinds | ORDER)
  if (count === 0) return undefined
  const suspects = new Uint8Array(graph.nodeCount)
  for (let node = 0; node < componentOf.length; node++) {
    if ((componentOf[node] as number) >= 0) suspects[isAlternating ? node >> 1 : node] = 1
  }
  return suspects
}

/** One shortest cycle of each component in which nothing was explained before. */
function plainCycles(
  graph: Graph,
  finder: PathFinder,
  kinds: number,
  isExplained: Uint8Array,
  onCycle: (steps: readonly Step[]) => void,
): void {
  const components = componentsOf(graph, kinds)
  for (const { members, id } of fresh(graph, components, (node) => node, isExplained)) {
    const isInside = (node: number): boolean => components.componentOf[node] === id
    const searches = searchesFor(graph)
    let best: readonly Step[] | undefined
    for (const member of spread(members, searches)) {
      const steps = finder.find(member, member, kinds, isInside)
      if (steps !== undefined && (best === undefined || steps.length < best.length)) best = steps
    }
    if (best !== undefined) onCycle(best)
  }
}

/** Cycles without two rw in a row: where there is one with a single rw, that one. */
function alternatingCycles(
  graph: Graph,
  finder: PathFinder,
  order: number,
  isExplained: Uint8Array,
  onCycle: (steps: readonly Step[]) => void,
): void {
  const alternating = alternatingGraphOf(graph)
  const kinds = WW | WR | ANTI_DEPENDENCY | order
  const components = componentsOf(alternating, kinds)
  if (components.count === 0) return
  const alternatingFinder = new PathFinder(alternating)
  for (const { members, id } of fresh(alternating, components, (node) => node >> 1, isExplained)) {
    const nodes = new Set(members.map((member) => member >> 1))
    let best = singleRwCycle(graph, finder, nodes, WW | WR | order)
    if (best === undefined) {
      const isInside = (node: number): boolean => components.componentOf[node] === id
      for (const member of spread(members, searchesFor(alternating))) {
        const steps = alternatingFinder.find(member, member, kinds, isInside)
        if (steps === undefined || (best !== undefined && steps.length >= best.length)) continue
        best = steps.map(({ source, target, kind }) => ({ source: source >> 1, target: target >> 1, kind }))
      }
    }
    if (best !== undefined) onCycle(best)
  }
}

/** A shortest cycle of one rw edge and a way back without any. */
function singleRwCycle(
  graph: Graph,
  finder: PathFinder,
  nodes: ReadonlySet<number>,
  kindsBack: number,
): Step[] | undefined {
  let searches = searchesFor(graph)
  let best: Step[] | undefined
  for (const source of nodes) {
    for (let edge = graph.heads[source] as number; edge < (graph.heads[source + 1] as number); edge++) {
      const kind = graph.kinds[edge] as number
      if ((kind & ANTI_DEPENDENCY) === 0) continue
      if (searches-- === 0) return best
      const target = graph.targets[edge] as number
      const back = finder.find(target, source, kindsBack, () => true)
      if (back === undefined || (best !== undefined && back.length + 1 >= best.length)) continue
      // Through a joint, the step behind it is the rest of this one.
      const first = back[0]
      best =
        target < graph.realCount || first === undefined
          ? [{ source, target, kind }, ...back]
          : [{ source, target: first.target, kind }, ...back.slice(1)]
    }
  }
  return best
}

/** The components without a node that was explained, with their transactions; all their nodes are explained then. */
function* fresh(
  graph: Graph,
  { componentOf, count }: Components,
  nodeOf: (member: number) => number,
  isExplained: Uint8Array,
): Generator<{ readonly id: number; readonly members: readonly number[] }> {
  const membersOf = Array.from({ length: count }, (): number[] => [])
  for (let node = 0; node < componentOf.length; node++) membersOf[componentOf[node] as number]?.push(node)
  for (const [id, members] of membersOf.entries()) {
    const isOld = members.some((member) => isExplained[nodeOf(member)] === 1)
    for (const member of members) isExplained[nodeOf(member)] = 1
    const transactions = members.filter((member) => member < graph.realCount)
    if (!isOld) yield { id, members: transactions }
  }
}

function searchesFor(graph: Graph): number {
  return Math.max(1, Math.min(SEARCHES_MAX, Math.floor(SEARCH_EDGES_MAX / (graph.targets.length + 1))))
}

/** At most so many of the items, from all over the list. */
function* spread(items: readonly number[], count: number): Generator<number> {
  const stride = Math.max(1, Math.ceil(items.length / count))
  for (let index = 0; index < items.length; index += stride) yield items[index] as number
}
