// The package: a client, a worker, and what they speak of.
export { Ruche, type Stats } from './ruche.js';
export type { RucheOptions } from './connection.js';
export { Queue, type CallOptions, type QueueOptions } from './queue.js';
export { EnqueuedJob, JobHandle, type JobChanged, type WaitOptions } from './job-handle.js';
export type {
	Attempt, Child, ChildState, EnqueueOptions, Explanation, Job, JobFailure, JobFilter, JobState, JobView, NewJob, OnFailure, Parent, ParentView,
} from './job.js';
export type { EnqueuedTree, NewTree } from './tree.js';
export type { HttpTarget, MinuteCounts, Percentiles, QueueMetrics, QueueSettings, QueueStats, Rate, Retention, RetryPolicy, StateCounts } from './settings.js';
export { Chains, type ChainJob, type ChainSchedule, type ChainView, type NewChain } from './chain.js';
export { DedupKey, type Dedup, type DedupOwner } from './dedup.js';
export { Limit, Permit, type LimitSettings, type LimitView, type PermitAnswer, type PermitOptions } from './limit.js';
export { Group, type GroupSettings, type GroupView } from './group.js';
export { EventStream, type EventOptions, type EventType, type RucheEvent } from './event-stream.js';
export { Operation, type Action, type ActionArguments, type OperationView } from './operation.js';
export { Worker, type BatchWorkerOptions, type Handler, type Handlers, type WorkerEvents, type WorkerOptions } from './worker.js';
export type { BatchContext, BatchHandler, BatchJob, BatchOptions } from './batch.js';
export type { WorkerView } from './presence.js';
export type { JobContext } from './running-job.js';
export { JobAbort, JobCancelled, JobTimedOut, LeaseLost, ShuttingDown } from './abort.js';
export { NonRetryableError, RetryAfterError, SnoozeError, UnrecoverableError, type HoldBack } from './verdict.js';
export {
	AccessError, BusyError, ConflictError, InvalidFieldError, InvalidPayloadError, JobEndedError, NotFoundError, PartlyRefusedError, ProblemError,
	RucheError, StaleLeaseError, TimedOutError, UnreachableError, type Problem,
} from './errors.js';
export type { Schema, SchemaInput, SchemaIssue, SchemaOutput, SchemaResult } from './schema.js';
export { currentTrace, withTrace, type Trace } from './trace.js';
