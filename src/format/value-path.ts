// Words for refusals: where in a value something is, `$.address.lines[2]`, `$["first name"]`, `$.seats<Map key 0>.row`,
// and what is wrong with an object that is no plain one. Only for people; nothing parses it.

// What kind of container a step leads into.
export const STEP_FIELD = 0
export const STEP_ELEMENT = 1
export const STEP_MAP_KEY = 2
export const STEP_MAP_VALUE = 3
export const STEP_SET_ITEM = 4

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u
/** Longest part of a name that is shown. */
const NAME_SHOWN_MAX = 64
/** Most steps shown; the middle of a longer path is left out. */
const STEPS_SHOWN_MAX = 32

/** One step of a path. */
export function stepText(kind: number, step: string | number): string {
  switch (kind) {
    case STEP_ELEMENT:
      return `[${step}]`
    case STEP_MAP_KEY:
      return `<Map key ${step}>`
    case STEP_MAP_VALUE:
      return `<Map value ${step}>`
    case STEP_SET_ITEM:
      return `<Set item ${step}>`
    default:
      return fieldText(String(step))
  }
}

function fieldText(name: string): string {
  if (name.length > NAME_SHOWN_MAX) return `[${JSON.stringify(name.slice(0, NAME_SHOWN_MAX))}…]`
  return IDENTIFIER.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`
}

/** The path that leads through the steps. */
export function pathText(steps: readonly string[]): string {
  if (steps.length <= STEPS_SHOWN_MAX) return `$${steps.join("")}`
  const half = STEPS_SHOWN_MAX / 2
  return `$${steps.slice(0, half).join("")}…${steps.slice(-half).join("")}`
}

/** Why an object that is neither plain nor built in cannot be kept, and what to do instead. */
export function instanceText(object: object): { readonly reason: string; readonly remedy: string } {
  const name = constructorName(object)
  switch (name) {
    case "":
      return { reason: "has a prototype of its own, which cannot be given back", remedy: "Store a plain object" }
    case "Object":
      return { reason: "is an object of another realm", remedy: "Copy it into a plain object of this realm" }
    case "Promise":
      return { reason: "is a Promise", remedy: "Await it, and store what it resolves to" }
    case "SharedArrayBuffer":
      return { reason: "is memory that others may change", remedy: "Store a copy in an ArrayBuffer" }
    default:
      return { reason: `is an instance of ${name}, which cannot be given back`, remedy: "Store a plain object" }
  }
}

/** The name of the class that an object says it is of, or "". */
function constructorName(object: object): string {
  try {
    const { constructor } = object as { readonly constructor: unknown }
    return typeof constructor === "function" ? constructor.name.slice(0, NAME_SHOWN_MAX) : ""
  } catch {
    return "" // a getter or proxy that throws: it is refused all the same
  }
}
