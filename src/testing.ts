// The public door for tests: crash tests of anything that keeps data on disk, and what they are made of: the simulated
// disk and clock, and the states that a crash can leave.

export { check } from "./testing/check.ts"
export type { Check } from "./testing/check.ts"
export type { Anomaly, AnomalyType, CycleStep, Relation } from "./testing/check-anomalies.ts"
export type { Outcome, RecordedEntry, RecordedHistory } from "./testing/check-history.ts"
export type { LinearizableOptions, LinearizableVerdict } from "./testing/check-linearizable.ts"
export type { Stuck } from "./testing/check-linear-search.ts"
export type { IsolationModel, ListAppendOptions, ListAppendVerdict } from "./testing/check-list-append.ts"
export type {
  Call,
  CounterOperation,
  Json,
  ListCallOperation,
  Models,
  RegisterOperation,
  SequentialModel,
  SetOperation,
} from "./testing/check-models.ts"
export type { Recorder, Recording } from "./testing/check-recorder.ts"
export type { ListElement, ListHistory, ListOperation } from "./testing/check-transactions.ts"
export { crash } from "./testing/crash.ts"
export { CrashFound } from "./testing/crash-found.ts"
export type {
  ArbitraryLike,
  CrashBudget,
  CrashContext,
  CrashOptions,
  HistoryEntry,
  HistorySource,
  OperationContext,
  OperationOutcome,
  PersistenceMode,
  ReferenceModel,
} from "./testing/crash-options.ts"
export type { CrashProgress, CrashReport } from "./testing/crash-report.ts"
export type { CrashFault, FaultPlace, FaultTarget } from "./testing/fault-choice.ts"
export type { KillCheck, KillCycle, KillNineOptions, KillProgress, KillReport } from "./testing/kill-nine.ts"
export { ProcessCrashFound } from "./testing/process-crash-found.ts"
export type { ProcessCrashDetails } from "./testing/process-crash-found.ts"
export { acknowledge, begin, opened, opening } from "./testing/process-protocol.ts"
export type { TraceCheck, TraceOptions, TraceProgress, TraceReport } from "./testing/system-trace.ts"
export { fsPromises } from "./testing/fs-promises.ts"
export type { FsPromises, FsStats } from "./testing/fs-promises.ts"
export type { FsHandle } from "./testing/fs-handle.ts"
export { crashState, crashStates } from "./simulation/crash-states.ts"
export type { CrashState, CrashStatesOptions, Narrowing } from "./simulation/crash-states.ts"
export { SimulatedClock } from "./simulation/simulated-clock.ts"
export { SimulatedDisk } from "./simulation/simulated-disk.ts"
export type { CrashKind, SimulatedDiskOptions } from "./simulation/simulated-disk.ts"
export { SimulatedEventLoop } from "./simulation/simulated-event-loop.ts"
export { simulatePlatform } from "./simulation/simulated-platform.ts"
export type { SimulatedPlatform, SimulatedPlatformOptions } from "./simulation/simulated-platform.ts"
export { SimulatedRandom } from "./simulation/simulated-random.ts"
export { probes } from "./model/invariant.ts"
export type { Platform } from "./platform/platform.ts"
