/**
 * Schedules as data: build, check, simulate and draw them. Needs neither LibTorch nor Node, so it runs in browsers.
 *
 * @example
 * const program = lower(buildProgram("dualpipe", { numRanks: 8, numMicroBatches: 20 }));
 * const { problems } = verify(program);
 * const { makespan, bubbleRatio, timeline } = simulate(program, UNIT_COST);
 * if (problems.length === 0) console.log(makespan, bubbleRatio, timelineSvg(timeline));
 *
 * @module dualpipe/schedule
 */
export { barsOf } from "./draw/bars.ts";
export { type ChromeTrace, chromeTrace, type TraceEvent } from "./draw/chrome-trace.ts";
export { type GridCell, type GridOptions, timelineGrid } from "./draw/grid.ts";
export { readChromeTrace } from "./draw/read-chrome-trace.ts";
export { type SvgOptions, timelineSvg } from "./draw/svg.ts";
export { DEFAULT_RECEIVE_WINDOW, type LowerOptions, lower } from "./lower/lower.ts";
export { calibrate } from "./plan/calibration.ts";
export type { Candidate, PlannedRun, PlanRequest } from "./plan/candidate.ts";
export type { ExpertShape, ModelShape, ParameterCounts } from "./plan/model/model-shape.ts";
export { parseModelConfig } from "./plan/model/parse.ts";
export type { DeviceShape } from "./plan/model-cost.ts";
export { type LostSchedule, type Plan, plan } from "./plan/plan.ts";
export { type MeasuredPlan, type ProfiledRun, planFromProfile } from "./plan/plan-from-profile.ts";
export { type PlannedStep, plannedStep } from "./plan/planned-step.ts";
export {
  type Action,
  type Communication,
  type CommunicationKind,
  type Computation,
  type ComputationKind,
  formatAction,
  isComputation,
  type OverlappedPair,
  parseAction,
} from "./program/action.ts";
export { ActionList, ActionListBuilder } from "./program/action-list.ts";
export { formatProgramCsv, parseProgramCsv } from "./program/csv.ts";
export { Opcode } from "./program/opcode.ts";
export { peakActivations } from "./program/peak-activations.ts";
export {
  bidirectionalPlacement,
  loopedPlacement,
  type Placement,
  peerOf,
  rankOf,
  stagesOf,
  vPlacement,
} from "./program/placement.ts";
export {
  type CommunicationMode,
  countActions,
  formatProgram,
  forwardPart,
  type Program,
} from "./program/program.ts";
export {
  ScheduleError,
  type ScheduleErrorCode,
  type ScheduleErrorLocation,
} from "./program/schedule-error.ts";
export {
  checkSizes,
  nearestAllowed,
  type ProgramSizes,
  type SizeConstraints,
  type SizeRule,
} from "./program/sizes.ts";
export type { ScheduleDefinition } from "./schedules/definition.ts";
export { buildProgram, buildReferenceOrder, findSchedule, schedules } from "./schedules/registry.ts";
export { type AdaptOptions, adaptProgram } from "./search/adapt.ts";
export type { SearchResult } from "./search/improve.ts";
export { type SearchOptions, searchSchedule } from "./search/search.ts";
export type { BubbleCauses } from "./simulate/bubble-causes.ts";
export { type CostModel, type EdgeCost, type LinkCost, type PerStage, UNIT_COST } from "./simulate/cost.ts";
export { parseCost, parseMemoryModel } from "./simulate/cost-text.ts";
export { type MemoryModel, type MemoryTrack, memoryOverTime } from "./simulate/memory.ts";
export { costOf, type Profile, parseProfile, profileOf } from "./simulate/profile.ts";
export { simulate } from "./simulate/simulate.ts";
export type { SimulateOptions, Simulation } from "./simulate/simulation.ts";
export type { Stall } from "./simulate/stalls.ts";
export { makespanOf, type Timeline, type TimelineEvent, TimelineTrack } from "./simulate/timeline.ts";
export { COMMUNICATORS, type Communicators } from "./verify/nccl/communicators.ts";
export { formatBlocked } from "./verify/nccl/nccl.ts";
export type { BlockedTransfer } from "./verify/nccl/queues.ts";
export { type ActionLocation, formatProblem, type Problem, type ProblemCode } from "./verify/problem.ts";
export type { SendModel } from "./verify/progress.ts";
export {
  assertVerified,
  type Verification,
  type VerifiedTransport,
  type VerifyOptions,
  verify,
} from "./verify/verify.ts";
