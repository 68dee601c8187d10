// One rank of a pipeline: puts a step together from its parts, and sees to it that a failure reaches every rank.
//
// A step needs a plan (plan-cache.ts), its data (step-data.ts), the stages (module-stage.ts), the edges (link.ts) and,
// when parameters have several holders, their exchange (parameters/). The executor runs the plan over them. Nothing
// here computes or sends; whatever a step starts is ended here, whether or not it succeeds.
//
// Ranks take part in a step without talking about it, so a rank that fails must not leave the others waiting: it aborts
// the group of all ranks, once, with its reason. A rank that was stopped by such an abort must not abort again; that is
// how the two are told apart: an ABORTED error of this group is an echo, any other error or group is a cause.
import type { Parameter } from "../autograd/parameter.ts";
import { problemOf } from "../errors/dualpipe-error.ts";
import type { ModuleBuffer } from "../nn/module-buffer.ts";
import { stagesOf } from "../schedule/program/placement.ts";
import type { Runtime } from "../tensor/runtime.ts";
import { GroupView } from "../transport/group-view.ts";
import type { Message, ProcessGroup } from "../transport/process-group.ts";
import { during, TransportError } from "../transport/transport-error.ts";
import { Agreement, describeStep } from "./agreement.ts";
import { type BatchPart, BatchParts, type BatchRows, type BatchTensors } from "./batch/batch-part.ts";
import { RowCheck } from "./batch/row-check.ts";
import { stepErrorOf } from "./errors/step-error-of.ts";
import { Executor } from "./executor.ts";
import { PipelineLink } from "./link.ts";
import { eachOnce } from "./parameters/each-once.ts";
import { Holders } from "./parameters/holders.ts";
import { OwnedState } from "./parameters/owned-state.ts";
import { SharedBuffers } from "./parameters/shared-buffers.ts";
import { SharedParameters } from "./parameters/shared-parameters.ts";
import { checkStages, mapOfModules, type PipelineOptions } from "./pipeline-options.ts";
import { PlanCache, type PlannedStep } from "./plan-cache.ts";
import { ReplicaPlacement } from "./replica-placement.ts";
import { routesOfHolders, routesOfStages } from "./routes.ts";
import { ModuleStage } from "./stage/module-stage.ts";
import { overlapHookOf } from "./stage/overlap.ts";
import type { StageModule } from "./stage/stage.ts";
import { microBatchesAt, StepData, type StepInputs, type StepOptions, type StepResult } from "./step-data.ts";
import { StepGraphs } from "./step-graphs.ts";
import type { StepObserver } from "./step-observer.ts";

/** One rank of a pipeline under any schedule that has a program. */
export class Pipeline {
  /** The ranks of this pipeline, in its order. */
  readonly group: ProcessGroup;
  readonly runtime: Runtime;
  /** All ranks, those of the other replicas included. */
  readonly #everyone: ProcessGroup;
  readonly #plans: PlanCache;
  readonly #modules: ReadonlyMap<number, StageModule>;
  readonly #stages: ReadonlyMap<number, ModuleStage>;
  readonly #agreement: Agreement;
  readonly #holders: Holders;
  readonly #owned: OwnedState;
  /** The parameters of this rank, if it is not their only holder. */
  readonly #shared: SharedParameters | undefined;
  readonly #buffers: SharedBuffers;
  readonly #shardsUpdates: boolean;
  readonly #batchDim: number;
  readonly #parts: BatchParts;
  readonly #observer: StepObserver | undefined;
  readonly #recorder: StepObserver | undefined;
  readonly #graphs: StepGraphs | undefined;
  readonly #ownerOf = (stage: number): number =>
    this.#holders.firstWithRank(this.#plans.placement.rankOfStage[0]![stage]!);
  /** The bytes of the device's tensors when the step began. */
  #liveBytesBefore = 0;

  /**
   * Construct it on every rank of the group; parameters that several ranks hold get equal values then.
   * @throws ScheduleError; StepError when the modules or the ranks do not fit; TransportError.
   */
  constructor(options: PipelineOptions) {
    const { processGroup, numReplicas, rankMapping, recorder, observer } = options;
    const replicas = new ReplicaPlacement(processGroup, numReplicas, rankMapping);
    this.#everyone = processGroup;
    this.group = new GroupView(processGroup, replicas.ranksOf(replicas.replica));
    this.runtime = processGroup.runtime;
    this.#plans = new PlanCache(options, replicas.numRanks, replicas.pipelineRank);
    this.#modules = mapOfModules(processGroup.rank, options.modules);
    checkStages(processGroup.rank, this.#modules, stagesOf(this.#plans.placement, this.group.rank));
    this.#owned = new OwnedState(processGroup.rank, this.#modules);
    this.#stages = this.#makeStages();
    this.#shardsUpdates = options.shardUpdates ?? false;
    this.#batchDim = options.batchDim ?? 0;
    this.#parts = this.#partsOf(replicas);
    [this.#recorder, this.#observer] = [recorder, observer];
    this.#graphs = StepGraphs.from(options, this.parameters());
    this.#holders = new Holders(processGroup, replicas, this.#plans.ranksOfStages);
    this.#buffers = new SharedBuffers(this.#holders.group, this.#modules);
    this.#agreement = this.#guarded(
      () => new Agreement(processGroup, options, this.#plans.placement.numStages),
    );
    if (processGroup.connectsCards) this.#guarded(() => this.#connectCards());
    if (this.#holders.group.size === 1) return;
    this.#shared = new SharedParameters({
      holders: this.#holders.group,
      rank: processGroup.rank,
      modules: this.#modules,
      isSharded: this.#shardsUpdates,
      ownerOf: this.#ownerOf,
    });
    this.#guarded(() => {
      if (this.#holders.group.rank > 0) this.#agreement.wait();
      this.#shared!.equalize();
      this.#buffers.equalize();
    });
  }

  #connectCards(): void {
    // Ranks that disagree would wait for connections that the others never make.
    this.#agreement.wait();
    this.group.connectCards(routesOfStages(this.#plans.placement, this.group.rank));
    this.#holders.group.connectCards(routesOfHolders(this.#holders.group));
  }

  #makeStages(): Map<number, ModuleStage> {
    const hook = overlapHookOf([...this.#modules.values()]);
    const { numStages } = this.#plans.placement;
    const { rank } = this.#everyone;
    return new Map(
      [...this.#modules].map(([stageIndex, module]) => [
        stageIndex,
        new ModuleStage(module, { rank, stageIndex, numStages }, hook),
      ]),
    );
  }

  #partsOf({ numReplicas, replica }: ReplicaPlacement): BatchParts {
    const { rank } = this.#everyone;
    const endsOf = (numMicroBatches: number) => this.endsOf(numMicroBatches);
    return new BatchParts({ rank, numReplicas, replica, batchDim: this.#batchDim, endsOf });
  }

  /**
   * Parameters of the whole model, each on exactly one rank: those that this one counts in a norm and saves and, when
   * updates are sharded, alone updates. A parameter tied between stages belongs to the first of them.
   */
  ownedParameters(): { stage: number; name: string; parameter: Parameter }[] {
    return eachOnce(this.#modules, (module) => module.namedParameters())
      .filter(({ state }) => this.#shared?.owns(state) ?? true)
      .map(({ state, ...where }) => ({ ...where, parameter: state }));
  }

  /** Buffers of the whole model, each on exactly one rank, which saves it; they are equal on all that hold them. */
  ownedBuffers(): { stage: number; name: string; buffer: ModuleBuffer }[] {
    return this.#buffers.owned(this.#ownerOf);
  }

  /** Every parameter of this rank once. */
  parameters(): Parameter[] {
    return [...new Set([...this.#modules.values()].flatMap((module) => module.parameters()))];
  }

  /** The micro-batches of a step whose inputs, and whose labels, are given to `step` on this rank. */
  endsOf(numMicroBatches: number): { entering: readonly number[]; leaving: readonly number[] } {
    const { program } = this.#plans.of(numMicroBatches, false);
    return microBatchesAt(program, this.group.rank);
  }

  /**
   * The rows that `step` needs on this rank, of a batch of `numRows` for all replicas: those of its inputs, and those
   * of its labels, which are other rows where what enters here leaves elsewhere.
   * @param numChunks The micro-batches of the step, on each replica.
   * @throws StepError when there are fewer rows than micro-batches; ScheduleError
   */
  rowsOf(numRows: number, numChunks: number): BatchRows {
    return this.#parts.rowsOf(numRows, numChunks);
  }

  /**
   * What `step` needs on this rank, of the tensors of a batch for all replicas. They belong to the current scope.
   * @throws StepError when the tensors have different numbers of rows, or fewer than there are micro-batches;
   * ScheduleError
   *
   * @example
   * const { inputs, labels } = pipe.partOf({ inputs: x, labels: [targets] }, 8);
   * const { loss } = pipe.step(inputs, { numChunks: 8, criterion: mseLoss, labels });
   */
  partOf(batch: BatchTensors, numChunks: number): BatchPart {
    return this.#parts.partOf(batch, numChunks);
  }

  /** The most micro-batches of activations that this rank's stages held in the last step. */
  get maxInFlight(): number {
    return [...this.#stages.values()].reduce((sum, stage) => sum + stage.maxInFlight, 0);
  }

  /**
   * Runs one step: training, or forward only inside `noGrad`. Gradients are added to those that are there already.
   * @param inputs Needed on the ranks that hold the first stage, for the micro-batches that enter there.
   * @throws ScheduleError when the schedule does not exist for this number of micro-batches; StepError; TransportError.
   * After an error every rank of the group gets one, in its present or its next transfer there; then the next step can
   * be run. The gradients of a failed step are incomplete: zero them.
   */
  step(inputs: StepInputs, options: StepOptions): StepResult {
    const step = (inputs: StepInputs, options: StepOptions) =>
      this.#guarded(() => this.#step(this.#everyone.beginPhase(), inputs, options));
    if (this.#graphs === undefined || options.isRecorded) return step(inputs, options);
    return this.#graphs.run(inputs, options, step);
  }

  /** Why steps run without a graph in spite of `useGraphs`, if they do. */
  get graphProblem(): string | undefined {
    return this.#graphs?.problem;
  }

  /** Frees the graphs of `useGraphs`. Modules belong to the caller. */
  dispose(): void {
    this.#graphs?.dispose();
  }

  /**
   * Gives the other holders of this rank's parameters the values that their owners' optimizers have made, and takes
   * theirs. Call it on every rank after the optimizers. Nothing happens unless `shardUpdates` is set.
   * @throws TransportError
   */
  shareUpdates(): void {
    if (!this.#shardsUpdates) return;
    const label = `step ${this.#everyone.beginPhase()} (shareUpdates): the updated parameters`;
    this.#guarded(() =>
      during("the exchange of updated parameters", () => this.#shared?.shareUpdates(label)),
    );
  }

  #step(number: number, inputs: StepInputs, options: StepOptions): StepResult {
    this.#agreement.wait();
    const training = this.runtime.gradEnabled;
    this.#liveBytesBefore = this.runtime.device.memory().liveBytes;
    this.#owned.checkUnchanged(training);
    this.#shared?.checkUpdatesShared();
    const planned = this.#plans.of(options.numChunks, !training);
    const shared = training ? this.#shared : undefined;
    const data = new StepData({
      program: planned.program,
      pipelineRank: this.group.rank,
      rank: this.#everyone.rank,
      batchDim: this.#batchDim,
      training,
      inputs,
      options,
    });
    try {
      const label = describeStep(number, training, planned.program);
      for (const stage of this.#stages.values()) stage.begin(data);
      shared?.begin(label);
      data.gradientFinal = shared && ((leaf) => shared.gradientFinal(leaf));
      const rows = new RowCheck(this.group, planned.program, label, data);
      data.rowCheck = rows;
      const recorder = this.#graphs === undefined || options.isRecorded ? this.#recorder : undefined;
      const observers = [shared, recorder, this.#observer].filter((each) => each !== undefined);
      this.#execute(planned, data, new PipelineLink(this.group, label), observers);
      during("the sum of the gradients that several ranks have", () =>
        shared?.end((holder) => this.#holders.completionOrder(holder, planned)),
      );
      this.#buffers.average(`${label}: the buffers`);
      rows.check();
      return data.result();
    } finally {
      for (const stage of this.#stages.values()) stage.end();
      shared?.forget();
      data.dispose();
    }
  }

  #execute(
    { plan, program }: PlannedStep,
    source: StepData,
    link: PipelineLink,
    observers: readonly StepObserver[],
  ): void {
    const executor = new Executor<Message>({
      plan,
      stages: this.#stages,
      source,
      link,
      observers,
      explain: (error, computation) =>
        stepErrorOf(error, computation, this.#everyone.rank, {
          device: this.runtime.device,
          liveBytesBefore: this.#liveBytesBefore,
          parameters: this.parameters(),
          maxInFlight: this.maxInFlight,
          program,
        }),
    });
    // What a step makes and receives has owners of its own; the caller's scope must not grow with the micro-batches.
    this.runtime.outsideScopes(() => this.#owned.guarding(this.runtime, () => executor.run()));
  }

  /** Aborts the group of all ranks when this rank fails by itself. */
  #guarded<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      const isEcho =
        error instanceof TransportError && error.code === "ABORTED" && error.group === this.#everyone.root;
      if (!isEcho) this.#everyone.abort(`rank ${this.#everyone.rank} failed: ${problemOf(error)}`);
      throw error;
    }
  }
}
