// Where the process tells whoever asked what happens in it: monitoring agents subscribe there without knowing the store.

export interface Diagnostics {
  /** Hands a message to the channel's subscribers, if there are any. Never throws. */
  publish(channel: string, message: object): void
}
