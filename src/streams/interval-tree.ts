// Finds the ranges that hold a text, among any number of them: an interval tree, that is, the ranges by where they begin,
// and with each the furthest end of those below it (Cormen, Leiserson, Rivest, Stein, 'Introduction to Algorithms', chapter
// on augmenting data structures). It is kept in balance as a treap, by priorities that do not depend on the ranges (Seidel,
// Aragon, 'Randomized Search Trees', 1996), so whoever chooses ranges cannot make it deep.
//
// Guarantees: a look costs as many steps as there are ranges that hold the text, times the logarithm of how many there are.
// Not safe to change while its results are being gathered.

/** From `low` up to but not including `high`; undefined: to the end. */
export interface Interval {
  readonly low: string
  readonly high: string | undefined
}

interface Node<Target> extends Interval {
  readonly target: Target
  readonly priority: number
  /** The furthest end of this one and all below; undefined: one goes to the end. */
  furthest: string | undefined
  left: Node<Target> | undefined
  right: Node<Target> | undefined
}

type Tree<Target> = Node<Target> | undefined

const PRIORITY_START = 0x2545_f491

export class IntervalTree<Target> {
  #root: Tree<Target> = undefined
  #priority = PRIORITY_START

  get isEmpty(): boolean {
    return this.#root === undefined
  }

  /** Requires: no interval with the same bounds is in. */
  add({ low, high }: Interval, target: Target): void {
    this.#priority = behind(this.#priority)
    const node = { low, high, target, priority: this.#priority, furthest: high, left: undefined, right: undefined }
    this.#root = inserted(this.#root, node)
  }

  /** Requires: the interval is in. */
  remove(interval: Interval): void {
    this.#root = removed(this.#root, interval)
  }

  /**
   * Puts the targets of all intervals that hold the text into `found`, from the index `count` on, in the order in which they
   * begin, and returns the count behind them.
   */
  match(text: string, found: Target[], count: number): number {
    return this.#root === undefined ? count : gathered(this.#root, text, found, count)
  }
}

function gathered<Target>(from: Node<Target>, text: string, found: Target[], count: number): number {
  let end = count
  let node: Tree<Target> = from
  while (node !== undefined && reaches(node.furthest, text)) {
    if (node.left !== undefined) end = gathered(node.left, text, found, end)
    // Neither this one nor any to its right begins before the text does.
    if (node.low > text) break
    if (reaches(node.high, text)) found[end++] = node.target
    node = node.right
  }
  return end
}

function inserted<Target>(tree: Tree<Target>, node: Node<Target>): Node<Target> {
  if (tree === undefined) return node
  if (node.priority > tree.priority) {
    divide(tree, node)
    return refreshed(node)
  }
  if (isBefore(node, tree)) tree.left = inserted(tree.left, node)
  else tree.right = inserted(tree.right, node)
  return refreshed(tree)
}

/** Puts what is before the node to its left, and the others to its right. */
function divide<Target>(tree: Tree<Target>, node: Node<Target>): void {
  if (tree === undefined) {
    node.left = undefined
    node.right = undefined
    return
  }
  if (isBefore(tree, node)) {
    divide(tree.right, node)
    tree.right = node.left
    node.left = refreshed(tree)
  } else {
    divide(tree.left, node)
    tree.left = node.right
    node.right = refreshed(tree)
  }
}

function removed<Target>(tree: Tree<Target>, interval: Interval): Tree<Target> {
  if (tree === undefined) return undefined
  if (tree.low === interval.low && tree.high === interval.high) return joined(tree.left, tree.right)
  if (isBefore(interval, tree)) tree.left = removed(tree.left, interval)
  else tree.right = removed(tree.right, interval)
  return refreshed(tree)
}

/** Requires: all of the left one are before all of the right one. */
function joined<Target>(left: Tree<Target>, right: Tree<Target>): Tree<Target> {
  if (left === undefined) return right
  if (right === undefined) return left
  if (left.priority > right.priority) {
    left.right = joined(left.right, right)
    return refreshed(left)
  }
  right.left = joined(left, right.left)
  return refreshed(right)
}

function refreshed<Target>(node: Node<Target>): Node<Target> {
  const { left, right } = node
  let { high } = node
  if (left !== undefined && high !== undefined) high = further(high, left.furthest)
  if (right !== undefined && high !== undefined) high = further(high, right.furthest)
  node.furthest = high
  return node
}

function further(high: string, other: string | undefined): string | undefined {
  return other === undefined || other > high ? other : high
}

/** In the order of their beginnings; of those with the same one, in that of their ends. */
function isBefore(one: Interval, other: Interval): boolean {
  if (one.low !== other.low) return one.low < other.low
  return one.high !== undefined && (other.high === undefined || one.high < other.high)
}

function reaches(high: string | undefined, text: string): boolean {
  return high === undefined || text < high
}

/** The next number of a sequence without a pattern (Marsaglia 2003: xorshift). */
function behind(number: number): number {
  let next = number
  next ^= next << 13
  next ^= next >>> 17
  next ^= next << 5
  return next
}
