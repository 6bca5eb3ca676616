// Commits as a Web stream (WHATWG Streams): each is asked for when the reader wants it, so back pressure goes all the way
// to the log, where what is not read stays.

import type { Commit } from "../model/change.ts"
import type { CommitSource } from "./commit-source.ts"

export function readableOf(begin: () => CommitSource): ReadableStream<Commit> {
  let source: CommitSource | undefined
  return new ReadableStream<Commit>(
    {
      async pull(controller) {
        source ??= begin()
        const result = await source.next()
        if (result.done === true) controller.close()
        else controller.enqueue(result.value)
      },
      cancel() {
        source?.close()
      },
    },
    // None ahead of the reader: the subscription has a buffer of its own.
    { highWaterMark: 0 },
  )
}
