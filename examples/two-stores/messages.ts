// What the processes of the example say to each other, and the moments at which one can be told to die.

/** A process, by its name: the banks are "west" and "east". */
export type Name = "coordinator" | Bank | "client"
export type Bank = "west" | "east"

/** Money from an account at one bank to an account at the other. */
export interface Transfer {
  /** The client's. Asking for it again is asking for the same transfer. */
  readonly id: string
  readonly from: Bank
  readonly to: Bank
  readonly account: string
  readonly amount: number
}

export type Question =
  | { readonly kind: "transfer"; readonly transfer: Transfer }
  | { readonly kind: "deposit"; readonly account: string; readonly amount: number }
  /** Takes an amount from the account, or adds it where it is above zero, if the attempt is committed. */
  | { readonly kind: "prepare"; readonly attempt: string; readonly account: string; readonly amount: number }
  | { readonly kind: "commit" | "abort"; readonly attempt: string }
  /** A bank asks what became of an attempt that it is in doubt about. */
  | { readonly kind: "outcome"; readonly attempt: string }
  | { readonly kind: "sum" }

export type Answer =
  | { readonly kind: "done" | "refused" | "prepared" | "busy" }
  | { readonly kind: "committed" | "aborted" | "undecided" }
  | { readonly kind: "sum"; readonly sum: number; readonly inDoubt: number }

/** Where each process can die. What it does next is not done, what it did last is done. */
export const COORDINATOR_STEPS = [
  "the attempt is written",
  "one bank is prepared",
  "both banks are prepared",
  "the decision is written",
  "one bank has committed",
  "both banks have committed",
] as const
export const BANK_STEPS = [
  "before it prepares",
  "prepared",
  "before it commits",
  "committed",
  "before it aborts",
  "aborted",
] as const

/** What travels between the processes, by way of the one that started them. */
export type Packet =
  | { readonly kind: "question"; readonly to: Name; readonly call: number; readonly question: Question }
  | { readonly kind: "answer"; readonly call: number; readonly answer: Answer }
  /** Nobody will answer: whoever was asked is gone. He may have done it. */
  | { readonly kind: "lost"; readonly call: number }
  | { readonly kind: "die"; readonly step: string }
  | { readonly kind: "ready" }
