// A graph of dependencies in flat arrays: edges with a kind, strongly connected components (Tarjan 1972, without
// recursion), and shortest cycles (breadth first). A million transactions with seven million edges fit into some hundred
// megabytes; there is no object for a node or an edge.
//
// Node numbers below `realCount` are transactions. The others are joints: a joint stands for "everything before it is
// ordered before everything behind it", so that n times m edges become n plus m. The edge into a joint has the kind; those
// out of it are THEN, which passes on what came in.

export const WW = 1
export const WR = 2
export const RW = 4
export const PROCESS = 8
export const REALTIME = 16
export const THEN = 32
/** Read the newest version and appended to it: a WW edge, but only where no update is lost; else it is a mere RW edge. */
export const UPDATE = 64

/** Collects edges. */
export class EdgeList {
  sources: Int32Array = new Int32Array(1024)
  targets: Int32Array = new Int32Array(1024)
  kinds: Uint8Array = new Uint8Array(1024)
  count = 0

  /** An edge from a node to itself says nothing, and is left out. */
  add(source: number, target: number, kind: number): void {
    if (source === target) return
    if (this.count === this.sources.length) this.#grow()
    this.sources[this.count] = source
    this.targets[this.count] = target
    this.kinds[this.count] = kind
    this.count++
  }

  #grow(): void {
    const capacity = this.count * 2
    const grown = {
      sources: new Int32Array(capacity),
      targets: new Int32Array(capacity),
      kinds: new Uint8Array(capacity),
    }
    grown.sources.set(this.sources)
    grown.targets.set(this.targets)
    grown.kinds.set(this.kinds)
    Object.assign(this, grown)
  }
}

/** The edges of node n are those from heads[n] to heads[n + 1] - 1. */
export interface Graph {
  readonly nodeCount: number
  readonly realCount: number
  readonly heads: Int32Array
  readonly targets: Int32Array
  readonly kinds: Uint8Array
}

export function graphOf(edges: EdgeList, nodeCount: number, realCount: number): Graph {
  const heads = new Int32Array(nodeCount + 2)
  // Counted two places further on, so that filling in leaves heads where they belong.
  for (let edge = 0; edge < edges.count; edge++) {
    const place = (edges.sources[edge] as number) + 2
    heads[place] = (heads[place] as number) + 1
  }
  for (let node = 1; node < heads.length; node++) {
    heads[node] = (heads[node] as number) + (heads[node - 1] as number)
  }
  const targets = new Int32Array(edges.count)
  const kinds = new Uint8Array(edges.count)
  for (let edge = 0; edge < edges.count; edge++) {
    const next = (edges.sources[edge] as number) + 1
    const place = heads[next] as number
    heads[next] = place + 1
    targets[place] = edges.targets[edge] as number
    kinds[place] = edges.kinds[edge] as number
  }
  return { nodeCount, realCount, heads, targets, kinds }
}

/**
 * The graph whose paths are those without two RW in a row: node n is here 2n when it was reached by another edge, 2n + 1
 * when it was reached by RW. Snapshot isolation allows exactly the histories whose graph of this kind has no cycle.
 */
export function alternatingGraphOf({ nodeCount, realCount, heads, targets, kinds }: Graph): Graph {
  const plainCount = kinds.reduce((count, kind) => (kind === RW ? count : count + 1), 0)
  const twice = {
    heads: new Int32Array(nodeCount * 2 + 1),
    targets: new Int32Array(targets.length + plainCount),
    kinds: new Uint8Array(targets.length + plainCount),
  }
  let place = 0
  const add = (target: number, kind: number): void => {
    twice.targets[place] = target
    twice.kinds[place++] = kind
  }
  for (let node = 0; node < nodeCount; node++) {
    const end = heads[node + 1] as number
    for (let edge = heads[node] as number; edge < end; edge++) {
      const kind = kinds[edge] as number
      add((targets[edge] as number) * 2 + (kind === RW ? 1 : 0), kind)
    }
    twice.heads[node * 2 + 1] = place
    for (let edge = heads[node] as number; edge < end; edge++) {
      const kind = kinds[edge] as number
      if (kind !== RW) add((targets[edge] as number) * 2 + (kind === THEN ? 1 : 0), kind)
    }
    twice.heads[node * 2 + 2] = place
  }
  return { nodeCount: nodeCount * 2, realCount: realCount * 2, ...twice }
}

/** The component of each node that is on a cycle of edges of these kinds; -1 for the others. */
export interface Components {
  readonly componentOf: Int32Array
  readonly count: number
}

export function componentsOf(graph: Graph, kinds: number): Components {
  const { nodeCount, heads, targets } = graph
  const allowed = kinds | THEN
  const componentOf = new Int32Array(nodeCount).fill(-1)
  // 0: not met. Numbers go by the order of meeting, from 1; a finished node gets the highest, so that it never lowers.
  const order = new Int32Array(nodeCount)
  const low = new Int32Array(nodeCount)
  const nextEdge = new Int32Array(nodeCount)
  const path = new Int32Array(nodeCount)
  const open = new Int32Array(nodeCount)
  const FINISHED = 0x7fff_ffff
  let openCount = 0
  let met = 0
  let count = 0
  for (let root = 0; root < nodeCount; root++) {
    if (order[root] !== 0) continue
    let depth = 0
    path[0] = root
    order[root] = low[root] = ++met
    nextEdge[root] = heads[root] as number
    open[openCount++] = root
    while (depth >= 0) {
      const node = path[depth] as number
      const edge = nextEdge[node] as number
      if (edge < (heads[node + 1] as number)) {
        nextEdge[node] = edge + 1
        if (((graph.kinds[edge] as number) & allowed) === 0) continue
        const target = targets[edge] as number
        const targetOrder = order[target] as number
        if (targetOrder === 0) {
          path[++depth] = target
          order[target] = low[target] = ++met
          nextEdge[target] = heads[target] as number
          open[openCount++] = target
        } else if (targetOrder < (low[node] as number)) low[node] = targetOrder
        continue
      }
      depth--
      const lowest = low[node] as number
      if (depth >= 0) {
        const parent = path[depth] as number
        if (lowest < (low[parent] as number)) low[parent] = lowest
      }
      if (lowest !== order[node]) continue
      const isAlone = open[openCount - 1] === node
      let member: number
      do {
        member = open[--openCount] as number
        order[member] = FINISHED
        if (!isAlone) componentOf[member] = count
      } while (member !== node)
      if (!isAlone) count++
    }
  }
  return { componentOf, count }
}

/** The part of a graph that lies within components, with its nodes numbered anew. */
export function subgraphOf(graph: Graph, isInside: (node: number) => boolean): { graph: Graph; original: Int32Array } {
  const renumbered = new Int32Array(graph.nodeCount).fill(-1)
  const original: number[] = []
  for (let node = 0; node < graph.nodeCount; node++) {
    if (!isInside(node)) continue
    renumbered[node] = original.length
    original.push(node)
  }
  const realCount = original.filter((node) => node < graph.realCount).length
  const edges = new EdgeList()
  for (const node of original) {
    for (let edge = graph.heads[node] as number; edge < (graph.heads[node + 1] as number); edge++) {
      const target = renumbered[graph.targets[edge] as number] as number
      if (target >= 0) edges.add(renumbered[node] as number, target, graph.kinds[edge] as number)
    }
  }
  return { graph: graphOf(edges, original.length, realCount), original: Int32Array.from(original) }
}

/** One edge of a path between transactions. */
export interface Step {
  readonly source: number
  readonly target: number
  readonly kind: number
}

/** Finds shortest paths in one graph, with the same arrays for every search. */
export class PathFinder {
  readonly #graph: Graph
  readonly #metIn: Int32Array
  readonly #from: Int32Array
  readonly #kind: Uint8Array
  readonly #queue: Int32Array
  readonly #joints: Int32Array
  #search = 0

  constructor(graph: Graph) {
    this.#graph = graph
    this.#metIn = new Int32Array(graph.nodeCount)
    this.#from = new Int32Array(graph.nodeCount)
    this.#kind = new Uint8Array(graph.nodeCount)
    this.#queue = new Int32Array(graph.nodeCount)
    this.#joints = new Int32Array(graph.nodeCount)
  }

  /**
   * The path with the fewest transactions from `source` to `goal` (a cycle where they are the same) over edges of these
   * kinds, within the nodes of one component; undefined where there is none. Joints are left out of it: the edge into
   * the first one stands for the way through them. Requires: the path begins and ends at transactions, or `source` is a
   * joint, and the first step then begins there.
   */
  find(source: number, goal: number, kinds: number, isInside: (node: number) => boolean): Step[] | undefined {
    const { heads, targets, kinds: kindOf, realCount } = this.#graph
    const allowed = kinds | THEN
    const search = ++this.#search
    let queued = 0
    let joints = 0
    // A joint costs nothing: what is behind it is as near as itself, so joints go first.
    if (source < realCount) this.#queue[queued++] = source
    else this.#joints[joints++] = source
    for (let taken = 0; taken < queued || joints > 0;) {
      const node = joints > 0 ? (this.#joints[--joints] as number) : (this.#queue[taken++] as number)
      for (let edge = heads[node] as number; edge < (heads[node + 1] as number); edge++) {
        if (((kindOf[edge] as number) & allowed) === 0) continue
        const target = targets[edge] as number
        if (target !== goal && (this.#metIn[target] === search || target === source || !isInside(target))) continue
        this.#metIn[target] = search
        this.#from[target] = node
        this.#kind[target] = kindOf[edge] as number
        if (target === goal) return this.#stepsTo(source, goal)
        if (target < realCount) this.#queue[queued++] = target
        else this.#joints[joints++] = target
      }
    }
    return undefined
  }

  #stepsTo(source: number, goal: number): Step[] {
    const steps: Step[] = []
    let target = goal
    let node = goal
    do {
      const previous = this.#from[node] as number
      const kind = this.#kind[node] as number
      if (previous < this.#graph.realCount || previous === source) {
        steps.push({ source: previous, target, kind })
        target = previous
      }
      node = previous
    } while (node !== source)
    return steps.reverse()
  }
}
