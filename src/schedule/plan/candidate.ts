/**
 * The predicted time and memory of one way to train a model.
 *
 * Time comes from simulating the schedule with the costs of the candidate's own stages (long-step.ts).
 *
 * Dividing layers evenly has two meanings. A rank may hold several stages, and the head makes the last stage
 * longer: even stages balance the pipeline, even ranks balance the work. Neither always wins, so both are evaluated.
 *
 * Memory is weights, gradients and optimizer state of the fullest rank, plus the largest sum of activations that are
 * held between a forward and the backward that frees them, in the order of the program.
 */
import { type Placement, perRank, stagesOf } from "../program/placement.ts";
import { findSchedule } from "../schedules/registry.ts";
import type { CostModel } from "../simulate/cost.ts";
import { figuresOfStep, type StepFigures } from "./long-step.ts";
import type { ModelShape } from "./model/model-shape.ts";
import {
  type DeviceShape,
  headInLayers,
  modelFlops,
  type StageShape,
  stageCostModel,
  stageShapes,
} from "./model-cost.ts";
import { type PartitionGoal, partitionLayers } from "./partition.ts";

/** The model to train, and the devices to train it on. */
export interface PlanRequest {
  readonly model: ModelShape;
  readonly sequenceLength: number;
  /** Sequences of one step over all devices. */
  readonly globalBatch: number;
  readonly numDevices: number;
  readonly device: DeviceShape;
}

/** One way to run the request. */
export interface Candidate {
  readonly schedule: string;
  readonly numRanks: number;
  readonly stagesPerRank: number;
  readonly numMicroBatches: number;
  readonly microBatchSize: number;
  /** Data-parallel copies of the pipeline. */
  readonly numReplicas: number;
  readonly recompute: boolean;
  /** Devices that the experts of a layer are spread over, one of each of as many replicas; 1 unless given. */
  readonly expertParallel?: number;
}

/** A candidate with its predicted time and memory. */
export interface PlannedRun extends Candidate {
  /** Layers of each stage. */
  readonly layerCounts: readonly number[];
  readonly stepSeconds: number;
  readonly allReduceSeconds: number;
  /** The model's operations per second as a share of the devices' peak. */
  readonly mfu: number;
  readonly bubbleRatio: number;
  /** The memory of the rank that needs most. */
  readonly peakBytes: number;
  /** The part of `peakBytes` for weights, their gradients and the optimizer's state. */
  readonly parameterBytes: number;
  /** Parameters of experts on that rank, where they are spread over several devices. */
  readonly numExpertParameters?: number;
}

/** Half-precision weights, single-precision gradients. */
const PARAMETER_BYTES = 2 + 4;
/** AdamW's master weights and two moments; each replica keeps its share of them. */
const OPTIMIZER_BYTES = 12;
const GRADIENT_BYTES = 4;

/** A candidate's stages for one way to divide the layers among them. */
export interface StagedCandidate {
  readonly layerCounts: readonly number[];
  readonly stages: readonly StageShape[];
  readonly cost: CostModel;
}

function stageCandidate(request: PlanRequest, candidate: Candidate, goal: PartitionGoal): StagedCandidate {
  const { model, sequenceLength } = request;
  const microBatch = { size: candidate.microBatchSize, sequenceLength, recompute: candidate.recompute };
  const placement = findSchedule(candidate.schedule).placement({ ...candidate, numMicroBatches: 2 });
  const ranksOfStages = Array.from({ length: placement.numStages }, (_, stage) => [
    ...new Set(placement.rankOfStage.map((ranks) => ranks[stage]!)),
  ]);
  const extra = ranksOfStages.map((_, stage) =>
    stage === placement.numStages - 1 ? headInLayers(model, microBatch) : 0,
  );
  const layerCounts = partitionLayers(model.numLayers, ranksOfStages, extra, goal);
  return stagesWithLayers(request, candidate, layerCounts);
}

/** The stages of a candidate with these numbers of layers. */
export function stagesWithLayers(
  { model, sequenceLength, device }: PlanRequest,
  { microBatchSize, recompute, expertParallel }: Candidate,
  layerCounts: readonly number[],
): StagedCandidate {
  const microBatch = { size: microBatchSize, sequenceLength, recompute };
  const stages = stageShapes(model, layerCounts, microBatch, expertParallel);
  return { layerCounts, stages, cost: stageCostModel(stages, device, model, microBatch) };
}

/** The better of both ways to divide the layers among the stages. */
export function evaluateCandidate(request: PlanRequest, candidate: Candidate): PlannedRun {
  const runs = (["even-stages", "even-ranks"] as const).map((goal) => {
    const staged = stageCandidate(request, candidate, goal);
    const definition = findSchedule(candidate.schedule);
    const figures = figuresOfStep(definition, candidate, staged.cost, staged.stages);
    return finishRun(request, candidate, staged, definition.placement(candidate), figures);
  });
  const fits = (run: PlannedRun) => run.peakBytes <= request.device.memoryBytes;
  return runs.reduce((a, b) => {
    if (fits(a) !== fits(b)) return fits(a) ? a : b;
    return b.stepSeconds < a.stepSeconds ? b : a;
  });
}

export function finishRun(
  request: PlanRequest,
  candidate: Candidate,
  { layerCounts, stages }: StagedCandidate,
  placement: Placement,
  { seconds, busySeconds, activationBytes }: StepFigures,
): PlannedRun {
  const { model, device, numDevices, sequenceLength } = request;
  const { numReplicas, microBatchSize, recompute } = candidate;
  const { expertParallel = 1 } = candidate;
  const numCopies = numReplicas * placement.rankOfStage.length;
  const held = parametersOfRanks(placement, stages);
  const reduceSeconds = (parameters: number, copies: number) =>
    ((2 * (copies - 1)) / copies) * ((GRADIENT_BYTES * parameters) / device.allReduceBandwidth);
  // An expert has fewer copies than the rest, so it is reduced among fewer.
  const allReduceSeconds =
    expertParallel === 1
      ? reduceSeconds(Math.max(...held.map(({ all }) => all)), numCopies)
      : Math.max(
          ...held.map(
            ({ all, experts }) =>
              reduceSeconds(all - experts, numCopies) + reduceSeconds(experts, numCopies / expertParallel),
          ),
        );
  const stepSeconds = seconds + allReduceSeconds;
  const flops =
    modelFlops(model, { size: microBatchSize, sequenceLength, recompute }) * candidate.numMicroBatches;
  const ofParameters = held.map((parameters) => bytesOfParameters(parameters, numCopies, expertParallel));
  const peaks = perRank(placement.numRanks, (rank) => activationBytes[rank]! + ofParameters[rank]!);
  const peakBytes = Math.max(...peaks);
  return {
    ...candidate,
    layerCounts,
    stepSeconds,
    allReduceSeconds,
    mfu: (flops * numReplicas) / (stepSeconds * numDevices * device.peakFlops),
    bubbleRatio: 1 - busySeconds / seconds,
    peakBytes,
    parameterBytes: ofParameters[peaks.indexOf(peakBytes)]!,
    ...(expertParallel > 1 && { numExpertParameters: held[peaks.indexOf(peakBytes)]!.experts }),
  };
}

/** Parameters of a device, and the experts among them. */
interface HeldParameters {
  readonly all: number;
  readonly experts: number;
}

function parametersOfRanks(placement: Placement, stages: readonly StageShape[]): HeldParameters[] {
  return perRank(placement.numRanks, (rank) =>
    stagesOf(placement, rank)
      .map((stage) => stages[stage]!)
      .reduce(
        (sum, { parameters, experts }) => ({
          all: sum.all + parameters,
          experts: sum.experts + (experts?.parameters ?? 0),
        }),
        { all: 0, experts: 0 },
      ),
  );
}

/** Bytes of a parameter on each rank that holds it. @param numCopies Holders, which share the optimizer's state. */
function bytesPerParameter(numCopies: number): number {
  return PARAMETER_BYTES + OPTIMIZER_BYTES / numCopies;
}

/** Bytes of parameters, their gradients and the optimizer's state on a device; experts have fewer copies. */
function bytesOfParameters(
  { all, experts }: HeldParameters,
  numCopies: number,
  expertParallel: number,
): number {
  if (expertParallel === 1) return all * bytesPerParameter(numCopies);
  return (
    (all - experts) * bytesPerParameter(numCopies) + experts * bytesPerParameter(numCopies / expertParallel)
  );
}

/** Bytes of a stage's parameters on each device that holds it. */
export function stageParameterBytes(
  { parameters, experts }: StageShape,
  { numReplicas, expertParallel = 1 }: Candidate,
  numDirections: number,
): number {
  const held = { all: parameters, experts: experts?.parameters ?? 0 };
  return bytesOfParameters(held, numReplicas * numDirections, expertParallel);
}

/**
 * The bytes that second copies of the parameters take on the fullest rank of a run: their weights and gradients. The
 * optimizer's state costs nothing in addition, because all copies share it.
 * @param numDirections Of the pipeline; each has its own copy.
 */
export function secondCopyBytes(run: PlannedRun, numDirections: number): number {
  const { parameterBytes, numReplicas, expertParallel = 1, numExpertParameters: experts = 0 } = run;
  const numCopies = numReplicas * numDirections;
  const ofExperts = experts === 0 ? 0 : experts * bytesPerParameter(numCopies / expertParallel);
  const parameters = (parameterBytes - ofExperts) / bytesPerParameter(numCopies) + experts;
  return parameters * (1 - 1 / numDirections) * PARAMETER_BYTES;
}

/** The number of micro-batches of its largest stage that the fullest rank has memory for. */
export function activationRoom(
  { device }: PlanRequest,
  placement: Placement,
  stages: readonly StageShape[],
  { numReplicas, expertParallel = 1 }: Candidate,
): number {
  const numCopies = numReplicas * placement.rankOfStage.length;
  const held = parametersOfRanks(placement, stages);
  const weights = Math.max(
    ...held.map((parameters) => bytesOfParameters(parameters, numCopies, expertParallel)),
  );
  const workspace = Math.max(...stages.map((stage) => stage.workspaceBytes));
  const ofStage = Math.max(...stages.map((stage) => stage.activationBytes));
  return Math.floor((device.memoryBytes - weights - workspace) / ofStage);
}
