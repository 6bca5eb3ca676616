// What a store tells of a subscription, for whoever wants to know who is slow.

export interface SubscriptionInfo {
  /** As it was given; "changes" where none was. Not necessarily unique. */
  readonly name: string
  /** What it wants: undefined for every table; of the keys only how many there are, undefined for all. */
  readonly table: string | undefined
  readonly prefix: string
  readonly keyCount: number | undefined
  /** Whether commits are pushed, as RxJS does, instead of being asked for. */
  readonly isPushed: boolean
  /** Whether it gets commits from memory; else it reads the log, or waits. */
  readonly isLive: boolean
  /** Everything that it wants up to here was delivered. */
  readonly lsn: number
  /** How far that is behind what is durable, in LSNs, whether it wants them or not. */
  readonly lagLsn: number
  /** For how long, in milliseconds, the first commit that it has not got has been waiting: to about a second. */
  readonly lagMs: number
  readonly deliveredCommits: number
  readonly deliveredChanges: number
  /** What waits for it in memory. */
  readonly bufferedCommits: number
  readonly bufferedBytes: number
  /** How often its buffer was full. */
  readonly overflows: number
}

/** What a subscription holds that the application has not taken. */
export interface Buffered {
  readonly commits: number
  readonly bytes: number
  /** When the first of them was made. */
  readonly oldestMs: number | undefined
}
