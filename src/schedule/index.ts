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
} from "./action.ts";
export { ActionList, ActionListBuilder, Opcode } from "./action-list.ts";
export { peakActivations } from "./activations.ts";
export { barsOf } from "./bars.ts";
export type { BubbleCauses } from "./bubble-causes.ts";
export { type ChromeTrace, chromeTrace, type TraceEvent } from "./chrome-trace.ts";
export { type CostModel, type EdgeCost, type LinkCost, type PerStage, UNIT_COST } from "./cost.ts";
export { parseCost, parseMemoryModel } from "./cost-text.ts";
export { formatProgramCsv, parseProgramCsv } from "./csv.ts";
export { forwardPart } from "./forward-part.ts";
export { type GridCell, type GridOptions, timelineGrid } from "./grid.ts";
export type { SearchResult } from "./improve.ts";
export { DEFAULT_RECEIVE_WINDOW, type LowerOptions, lower } from "./lower.ts";
export { type MemoryModel, type MemoryTrack, memoryOverTime } from "./memory.ts";
export type { DeviceShape } from "./model-cost.ts";
export { type ModelShape, parseModelConfig } from "./model-shape.ts";
export {
  bidirectionalPlacement,
  loopedPlacement,
  type Placement,
  peerOf,
  rankOf,
  stagesOf,
  vPlacement,
} from "./placement.ts";
export { type LostSchedule, type Plan, plan } from "./plan.ts";
export type { Candidate, PlannedRun } from "./plan-candidate.ts";
export { type MeasuredPlan, type ProfiledRun, planFromProfile } from "./plan-profile.ts";
export type { PlanRequest } from "./plan-request.ts";
export { type ActionPlace, formatProblem, type Problem, type ProblemCode } from "./problem.ts";
export { costOf, type Profile, parseProfile, profileOf } from "./profile.ts";
export { type CommunicationMode, countActions, formatProgram, type Program } from "./program.ts";
export { ScheduleError, type ScheduleErrorCode, type ScheduleErrorPlace } from "./schedule-error.ts";
export type { ScheduleDefinition } from "./schedules/definition.ts";
export { buildProgram, buildReferenceOrder, findSchedule, schedules } from "./schedules/registry.ts";
export { type SearchOptions, searchSchedule } from "./search.ts";
export { type SimulateOptions, type Simulation, simulate } from "./simulate.ts";
export {
  checkSizes,
  nearestAllowed,
  type ProgramSizes,
  type SizeConstraints,
  type SizeRule,
} from "./sizes.ts";
export { type SvgOptions, timelineSvg } from "./svg.ts";
export { makespanOf, type Timeline, type TimelineEvent, TimelineTrack } from "./timeline.ts";
export { assertVerified, type Verification, type VerifyOptions, verify } from "./verify.ts";
export type { SendModel } from "./verify-progress.ts";
