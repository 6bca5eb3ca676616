// Reads what strace writes: the system calls of a program with all its threads and children, in the order in which they
// were entered and left. A call that was interrupted by another thread's line is put together again.
//
// Made for `strace -f -y -xx`: every string and path comes as "\x41\x42", so no delimiter hides in one; the escapes of C
// are understood as well.

/** A system call. `enteredAt` and `leftAt` order all of them: they are places in the output. */
export interface SystemCall {
  readonly pid: number
  readonly name: string
  /** As strace wrote them. */
  readonly args: readonly string[]
  /** Undefined where the call never returned, or is to be made again. */
  readonly result: number | undefined
  /** What strace told of the result: the path behind a file descriptor. */
  readonly resultPath: string | undefined
  /** "ENOENT" and the like. */
  readonly error: string | undefined
  readonly enteredAt: number
  /** Undefined where the call never returned. */
  readonly leftAt: number | undefined
}

export interface SystemExit {
  readonly pid: number
  readonly at: number
}

export interface SystemCalls {
  readonly calls: readonly SystemCall[]
  /** Threads and processes that ended. */
  readonly exits: readonly SystemExit[]
}

interface OpenCall {
  readonly name: string
  readonly text: string
  readonly enteredAt: number
}

const UNFINISHED = " <unfinished ...>"

/** The calls in the order of their entry. Lines that are none are left out. */
export function systemCallsOf(output: Buffer): SystemCalls {
  const calls: SystemCall[] = []
  const exits: SystemExit[] = []
  const open = new Map<number, OpenCall>()
  let at = 0
  for (let start = 0; start < output.length; at++) {
    const next = output.indexOf(10, start)
    const end = next === -1 ? output.length : next
    takeLine(output.latin1Slice(start, end), at)
    start = end + 1
  }
  for (const [pid, { name, text, enteredAt }] of open) {
    const nothing = { result: undefined, resultPath: undefined, error: undefined, leftAt: undefined }
    calls.push({ pid, name, args: argumentsOf(text), enteredAt, ...nothing })
  }
  return { calls: calls.toSorted((left, right) => left.enteredAt - right.enteredAt), exits }

  function takeLine(line: string, place: number): void {
    const head = /^(\d+)\s+/.exec(line)
    if (head === null) return
    const pid = Number(head[1])
    const text = line.slice(head[0].length)
    if (text.startsWith("+++")) {
      exits.push({ pid, at: place })
      return
    }
    const resumed = /^<\.\.\. (\w+) resumed>/.exec(text)
    if (resumed !== null) {
      const begun = open.get(pid)
      open.delete(pid)
      if (begun === undefined || begun.name !== resumed[1]) return
      calls.push(callOf(pid, begun.name, begun.text + text.slice(resumed[0].length), begun.enteredAt, place))
      return
    }
    const paren = text.indexOf("(")
    if (paren === -1 || !/^\w+$/.test(text.slice(0, paren))) return
    const name = text.slice(0, paren)
    if (text.endsWith(UNFINISHED)) {
      open.set(pid, { name, text: text.slice(paren + 1, -UNFINISHED.length), enteredAt: place })
    } else {
      calls.push(callOf(pid, name, text.slice(paren + 1), place, place))
    }
  }
}

/** `text` is all behind the opening parenthesis. */
function callOf(pid: number, name: string, text: string, enteredAt: number, place: number): SystemCall {
  const equals = text.lastIndexOf(" = ")
  const inside = text.slice(0, equals === -1 ? text.length : equals).trimEnd()
  const args = argumentsOf(inside.endsWith(")") ? inside.slice(0, -1) : inside)
  const told = equals === -1 ? "?" : text.slice(equals + 3)
  const error = /^(?:-1|\?) (E[A-Z0-9]+)/.exec(told)?.[1]
  const found = /^(-?(?:0x[0-9a-f]+|\d+))(?:<([^>]*)>)?/.exec(told)
  const result = found === null ? undefined : numberOf(found[1])
  // "= ?" alone: the process was killed in it. With an error it is to be made again, and shows again.
  const leftAt = result === undefined && error === undefined ? undefined : place
  return { pid, name, args, result, resultPath: pathOf(found?.[2]), error, enteredAt, leftAt }
}

/** Splits at the commas that are outside of strings and brackets. */
function argumentsOf(text: string): readonly string[] {
  const found: string[] = []
  let depth = 0
  let start = 0
  for (let index = 0; index < text.length; index++) {
    const letter = text.charCodeAt(index)
    if (letter === 34) index = endOfString(text, index)
    // [ { ( < and their counterparts; "=>" and "<<" are no brackets.
    else if (letter === 91 || letter === 123 || letter === 40) depth++
    else if (letter === 93 || letter === 125 || letter === 41) depth--
    else if (letter === 60 && text.charCodeAt(index + 1) !== 60 && text.charCodeAt(index - 1) !== 60) {
      const end = text.indexOf(">", index)
      if (end !== -1) index = end
    } else if (letter === 44 && depth === 0) {
      found.push(text.slice(start, index).trim())
      start = index + 1
    }
  }
  const last = text.slice(start).trim()
  if (last !== "" || found.length > 0) found.push(last)
  return found
}

function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = 0
    while (text.charCodeAt(end - 1 - slashes) === 92) slashes++
    if (slashes % 2 === 0) return end
  }
  return text.length
}

/** A number in any form: 17, -1, 0x11, 0644, 5</a/path>, [4096], [0] => [7]. NaN where there is none. */
export function numberOf(text: string | undefined): number {
  const found = /^\[?(-?)(0x[0-9a-f]+|\d+)/.exec(text ?? "")
  return found === null ? Number.NaN : Number(found[2]) * (found[1] === "-" ? -1 : 1)
}

/** The path that strace tells behind a file descriptor. */
export function pathBehind(text: string | undefined): string | undefined {
  return pathOf(/^[^<"]*<([^>]*)>/.exec(text ?? "")?.[1])
}

/** A string argument as text; undefined where it is none. */
export function textOf(argument: string | undefined): string | undefined {
  return argument?.startsWith('"') === true ? Buffer.from(bytesOf(argument)).toString("utf8") : undefined
}

/** The bytes of a string, or of all strings of an argument: "\x41", [{iov_base="\x41", iov_len=1}, …]. */
export function bytesOf(argument: string): Uint8Array {
  const parts: Uint8Array[] = []
  for (let start = argument.indexOf('"'); start !== -1;) {
    const end = endOfString(argument, start)
    parts.push(unescaped(argument.slice(start + 1, end)))
    start = argument.indexOf('"', end + 1)
  }
  return parts.length === 1 ? (parts[0] as Uint8Array) : new Uint8Array(Buffer.concat(parts))
}

/** Whether strace has left out some of the bytes. */
export function isShortened(argument: string): boolean {
  return /"\.\.\.|, \.\.\.\]/.test(argument)
}

function pathOf(told: string | undefined): string | undefined {
  if (told === undefined) return undefined
  return Buffer.from(unescaped(told))
    .toString("utf8")
    .replace(/ \(deleted\)$/, "")
}

const ESCAPES: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, v: 11, f: 12, b: 8, a: 7 }

function unescaped(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  let length = 0
  for (let index = 0; index < text.length;) {
    const letter = text.charCodeAt(index)
    if (letter !== 92) {
      bytes[length++] = letter
      index++
    } else if (text.charCodeAt(index + 1) === 120) {
      bytes[length++] = (hexDigit(text.charCodeAt(index + 2)) << 4) | hexDigit(text.charCodeAt(index + 3))
      index += 4
    } else {
      const octal = /^[0-7]{1,3}/.exec(text.slice(index + 1, index + 4))?.[0]
      bytes[length++] =
        octal === undefined
          ? (ESCAPES[text.charAt(index + 1)] ?? text.charCodeAt(index + 1))
          : Number.parseInt(octal, 8)
      index += 1 + (octal?.length ?? 1)
    }
  }
  return bytes.subarray(0, length)
}

function hexDigit(letter: number): number {
  return letter <= 57 ? letter - 48 : (letter | 32) - 87
}
