// The loop of a training run, as one rank runs it.
//
// Ranks take every decision alone: which batch, when to validate, when to take a checkpoint, when to stop. A rank that
// told the others would be one more message that can be late. So decisions follow from numbers that all ranks have:
// the step, the configuration, and the sums of one exchange per step, each in the order of the ranks and so with the
// same bits everywhere. Requests from outside, such as a signal, enter at rank 0 and travel in that exchange.
//
// Invariant: all ranks take the same steps, validations and checkpoints, in the same order.
import { communicationOf } from "../../engine/record/communication.ts";
import type { RecordedTrack } from "../../engine/record/recorder.ts";
import type { RankContext } from "../../launch/rank-context.ts";
import { clipFactor, scaleGradients, squaredGradNorm } from "../../optim/gradient-norm.ts";
import { hostNowMs } from "../../tensor/device.ts";
import { allGatherNumbers } from "../../transport/collectives.ts";
import { CopyBuffer } from "../checkpoint/copy-buffer.ts";
import { loadPart, type RankState, takePart, weightsOf } from "../checkpoint/rank-part.ts";
import { type CheckpointRequest, RequestsOfRank } from "../checkpoint/requests.ts";
import { batchShapeOf, type TrainConfig } from "../config/config.ts";
import { learningRateOf } from "../config/learning-rate.ts";
import { BatchSampler, type MicroBatch, validationBatches } from "../data/batches.ts";
import { NUM_LAST_TIMELINES } from "../report/listener.ts";
import { gatherValues, sumOverRanks } from "./group-values.ts";
import { makeOptimizer } from "./make-optimizer.ts";
import { NonFiniteLossError } from "./non-finite-loss.ts";
import { checkFiniteWeights } from "./non-finite-weights.ts";
import { peakFlopsOf } from "./peak-flops.ts";
import type { RankData, RankResult, SharedData } from "./rank-data.ts";
import type { RankReport } from "./rank-report.ts";
import { RecordedSteps } from "./recorded-steps.ts";
import { bubbleOf, stepUseOf } from "./step-use.ts";
import { TokenPipeline } from "./token-pipeline.ts";

const REQUESTS: readonly CheckpointRequest[] = ["none", "goOn", "stop"];

/** One rank's part of a training run: its stages, its share of the optimizer, and the loop over the steps. */
export class RankTrainer {
  readonly #context: RankContext<RankData>;
  readonly #config: TrainConfig;
  readonly #shared: SharedData;
  readonly #pipeline: TokenPipeline;
  readonly #state: RankState;
  readonly #requests: RequestsOfRank;
  readonly #recorded: RecordedSteps;
  /** What the last step computed here; undefined when it ran as a graph. */
  #track: RecordedTrack | undefined;

  constructor(context: RankContext<RankData>, shared: SharedData) {
    const { runtime, rank, data } = context;
    this.#context = context;
    this.#config = data.config;
    this.#shared = shared;
    this.#pipeline = new TokenPipeline(context, data.config);
    const { state } = this.#pipeline;
    const optimizer = makeOptimizer(state.owned, data.config);
    this.#state = { ...state, runtime, rank, optimizer, copies: new CopyBuffer() };
    this.#requests = new RequestsOfRank(data.requests);
    this.#recorded = new RecordedSteps(shared.timelineIntervals, NUM_LAST_TIMELINES);
  }

  /** Loads the checkpoint to resume from, if there is one. */
  async resume(): Promise<void> {
    if (this.#shared.resume === undefined) return;
    const { files, isSameLayout } = this.#shared.resume;
    await loadPart(files, this.#state, isSameLayout);
  }

  /** Trains to the last step, or to the checkpoint after which the run was asked to stop. */
  run(): RankResult {
    const { training, validation, checkpoint } = this.#config;
    const shape = batchShapeOf(this.#config);
    const sampler = new BatchSampler(this.#shared.train, shape, training.seed);
    const validationSet =
      validation.everySteps === 0
        ? undefined
        : validationBatches(this.#shared.validation, shape, validation.numBatches);
    const learningRate = learningRateOf(this.#config);
    const { runtime, numRanks } = this.#context;
    this.#report({ kind: "ready", peakFlops: peakFlopsOf(runtime, numRanks, training) });
    const validateIfDue = (step: number): void => {
      if (validationSet === undefined) return;
      if (step % validation.everySteps === 0 || step === training.steps) this.#validate(step, validationSet);
    };
    let checkedStep = 0;
    const checkBefore = (step: number): void => {
      if (checkedStep === step) return;
      checkedStep = step;
      const lossSum = this.#pipeline.evaluate([sampler.batchAt(step)]);
      checkFiniteWeights(this.#context.processGroup, step, this.#state, lossSum);
    };
    let step = this.#shared.resume?.step ?? 0;
    // A checkpoint is taken before the validation that follows its step.
    if (step > 0) validateIfDue(step);
    while (step < training.steps) {
      step++;
      const request = this.#trainStep(step, sampler.batchAt(step - 1), learningRate(step - 1));
      if (this.#track !== undefined) this.#reportTimelines(this.#recorded.add(step, this.#track));
      const isDue = checkpoint.everySteps > 0 && step % checkpoint.everySteps === 0;
      if (isDue || request !== "none") {
        checkBefore(step);
        this.#sendCheckpoint(step);
      }
      if (request === "stop" && step < training.steps) break;
      validateIfDue(step);
    }
    this.#reportTimelines(this.#recorded.end());
    checkBefore(step);
    this.#pipeline.dispose();
    return { step, weights: weightsOf(this.#state) };
  }

  /** @returns What the main thread of process 0 asked of all ranks during the step. */
  #trainStep(step: number, batch: readonly MicroBatch[], learningRate: number): CheckpointRequest {
    const { optimizer } = this.#state;
    const { runtime, rank, processGroup } = this.#context;
    const startMs = hostNowMs();
    const isRecorded = !this.#pipeline.hasGraphs || this.#recorded.isDue(step, this.#config.training.steps);
    const lossSum = this.#pipeline.forwardBackward(batch, isRecorded);
    const owned = this.#state.owned.map(([, parameter]) => parameter);
    const numMicroBatches = batch.length;
    // Only rank 0 looks, so that all ranks see a request after the same step.
    const request = rank === 0 ? REQUESTS.indexOf(this.#requests.take()) : 0;
    const sums = [lossSum, squaredGradNorm(owned), request];
    const { transfers, ...track } = this.#pipeline.takeTrack();
    this.#track = isRecorded ? track : undefined;
    const { workMs, spanMs } = stepUseOf(track, startMs);
    const { communicationMs, exposedMs } = communicationOf({ ...track, transfers });
    const { peakBytes } = runtime.device.memory();
    const use = [workMs, spanMs, peakBytes, communicationMs, exposedMs];
    const all = allGatherNumbers(processGroup, [...sums, ...use]);
    // In the order of the ranks, so that every rank gets the same bits.
    const sumOf = (i: number) => all.reduce((sum, values) => sum + values[i]!, 0);
    const loss = sumOf(0) / numMicroBatches;
    // The gradients of the micro-batches were summed; a loss over the whole batch would give their mean.
    const squaredNorm = sumOf(1) / numMicroBatches ** 2;
    const gradientNorm = Math.sqrt(squaredNorm);
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm))
      throw new NonFiniteLossError(step, loss, gradientNorm);
    const { gradientClip } = this.#config.optimizer;
    const clip = gradientClip > 0 ? clipFactor(squaredNorm, gradientClip) : 1;
    scaleGradients(owned, clip / numMicroBatches);
    optimizer.learningRate = learningRate;
    optimizer.step();
    optimizer.zeroGrad();
    this.#pipeline.shareUpdates();
    if (this.#shared.timelineIntervals.some((interval) => step % interval === 0))
      this.#report({ kind: "memory", step, peakBytes: all.map((values) => values[5]!) });
    this.#report({
      kind: "train",
      step,
      loss,
      learningRate,
      gradientNorm,
      peakBytes: Math.max(...all.map((values) => values[5]!)),
      ...(isRecorded && {
        bubble: bubbleOf(all.map(([, , , workMs, spanMs]) => ({ workMs: workMs!, spanMs: spanMs! }))),
      }),
      ...(isRecorded &&
        transfers !== undefined && {
          communicationMs: sumOf(6) / all.length,
          exposedCommunicationMs: sumOf(7) / all.length,
        }),
    });
    return REQUESTS[sumOf(2)]!;
  }

  #validate(step: number, batches: readonly (readonly MicroBatch[])[]): void {
    const [sum] = sumOverRanks(this.#context.processGroup, [this.#pipeline.evaluate(batches)]);
    const numMicroBatches = batches.reduce((count, batch) => count + batch.length, 0);
    this.#report({ kind: "validation", step, loss: sum! / numMicroBatches });
  }

  #sendCheckpoint(step: number): void {
    this.#requests.waitForTurn();
    const tensors = takePart(this.#state);
    this.#context.report({ kind: "checkpoint", step, tensors } satisfies RankReport);
  }

  #reportTimelines(steps: ReturnType<RecordedSteps["end"]>): void {
    const { rank, processGroup } = this.#context;
    const { ranks } = this.#config.pipeline;
    if (steps.length === 0 || rank >= ranks) return;
    const byRank = gatherValues(processGroup, ranks, steps);
    byRank[0]?.forEach(({ step }, i) => {
      this.#report({ kind: "timeline", step, tracks: byRank.map((steps) => steps[i]!.track) });
    });
  }

  #report(report: RankReport): void {
    if (this.#context.rank === 0) this.#context.report(report);
  }
}
