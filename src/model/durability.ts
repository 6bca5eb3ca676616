// How far a write has come before its promise resolves.

/**
 * - `synced`: on stable storage; survives power loss.
 * - `written`: handed to the operating system; survives the death of the process.
 * - `memory`: applied; survives the restart of a shard actor.
 *
 * All levels share one log and one order. What is not yet synced is synced within `flush.syncDelayMs`.
 */
export type Durability = "synced" | "written" | "memory"

export const DURABILITIES: readonly Durability[] = ["synced", "written", "memory"]
