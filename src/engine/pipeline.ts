import type { Parameter } from "../autograd/parameter.ts";
import { problemOf } from "../errors/dualpipe-error.ts";
import { formatAction, type Program, stagesOf } from "../schedule/index.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { GroupView } from "../transport/group-view.ts";
import type { Message, ProcessGroup } from "../transport/process-group.ts";
import { TransportError } from "../transport/transport-error.ts";
import { StepError } from "./errors.ts";
import { Executor } from "./executor.ts";
import { ModuleStage } from "./module-stage.ts";
import { overlapHookOf } from "./overlap.ts";
import type { PlannedComputation } from "./plan.ts";
import type { Recorder } from "./recorder.ts";
import { SharedParameters } from "./shared-parameters.ts";
import type { StageModule } from "./stage-module.ts";
import { microBatchesAt, StepData } from "./step-data.ts";
import type { StepOptions, StepResult } from "./step-options.ts";
import { placementOf, type StepProgram, StepPrograms } from "./step-programs.ts";

export interface PipelineOptions {
  /** A schedule's name, such as `dualpipe`, or a program of its own, such as one read from a CSV. */
  readonly schedule: string | Program;
  /** For interleaved schedules, which leave a choice. */
  readonly stagesPerRank?: number;
  /** The modules of this rank, by stage. */
  readonly modules: ReadonlyMap<number, StageModule>;
  readonly processGroup: ProcessGroup;
  /** The dimension along which a batch is cut into micro-batches. */
  readonly batchDim?: number;
  /**
   * Equal pipelines side by side, each with micro-batches of its own, whose gradients are summed (data parallelism). Replica
   * `k` of pipelines of `P` ranks has the ranks `k P` and following.
   */
  readonly numReplicas?: number;
  /**
   * Whether a parameter that several ranks hold is updated by one of them, its owner: it alone gets the summed gradient
   * and needs an optimizer, and gives the others the new value by `shareUpdates`. Without it all get the sum.
   */
  readonly shardUpdates?: boolean;
  /** The place of each rank of the process group; the same numbers by default. */
  readonly rankMapping?: readonly number[];
  readonly recorder?: Recorder;
}

/** One rank of a pipeline under any schedule that has a program. */
export class Pipeline {
  /** The ranks of this pipeline, in its order. */
  readonly group: ProcessGroup;
  readonly runtime: Runtime;
  /** All ranks, those of the other replicas too. */
  readonly #everyone: ProcessGroup;
  readonly #programs: StepPrograms;
  readonly #modules: ReadonlyMap<number, StageModule>;
  readonly #stages: ReadonlyMap<number, ModuleStage>;
  readonly #shared: SharedParameters | undefined;
  readonly #batchDim: number;
  readonly #recorder: Recorder | undefined;

  /** Every rank of the group constructs its own; parameters that several hold are made equal then. */
  constructor(options: PipelineOptions) {
    const { modules, processGroup, batchDim = 0, numReplicas = 1, recorder } = options;
    const { ranksAt, place, numPlaces } = placesOf(processGroup, numReplicas, options.rankMapping);
    const replica = Math.floor(place / numPlaces);
    this.#everyone = processGroup;
    this.group = new GroupView(processGroup, ranksAt.slice(replica * numPlaces, (replica + 1) * numPlaces));
    this.runtime = processGroup.runtime;
    const { rank, size } = this.group;
    this.#programs = new StepPrograms(options, size, rank);
    this.#modules = modules;
    this.#batchDim = batchDim;
    this.#recorder = recorder;
    const { placement, mirror } = this.#programs;
    const wanted = stagesOf(placement, rank);
    if (String([...modules.keys()].sort((a, b) => a - b)) !== String(wanted))
      throw new StepError(
        "INVALID_INPUT",
        { rank: processGroup.rank },
        `the schedule puts the stages ${wanted.join(" and ")} here; got modules for ${[...modules.keys()].join(" and ")}`,
      );
    const hook = overlapHookOf([...modules.values()]);
    const { numStages } = placement;
    this.#stages = new Map(
      [...modules].map(([stageIndex, module]) => [
        stageIndex,
        new ModuleStage(module, { rank: processGroup.rank, stageIndex, numStages }, hook),
      ]),
    );
    this.#shared = this.#shareParameters(options, ranksAt, mirror);
    if (this.#shared) this.#guarded(() => this.#shared!.equalize());
  }

  #shareParameters(
    { modules, numReplicas = 1, shardUpdates = false }: PipelineOptions,
    ranksAt: readonly number[],
    mirror: number | undefined,
  ): SharedParameters | undefined {
    const { rank, size } = this.group;
    const places = mirror === undefined ? [rank] : [rank, mirror].sort((a, b) => a - b);
    if (numReplicas * places.length === 1) return undefined;
    const holders = Array.from({ length: numReplicas }, (_, replica) =>
      places.map((place) => ranksAt[replica * size + place]!),
    );
    return new SharedParameters({
      holders: new GroupView(this.#everyone, holders.flat()),
      rank: this.#everyone.rank,
      modules,
      isSharded: shardUpdates,
      ownerOf: (stage) => places.indexOf(this.#programs.placement.rankOfStage[0]![stage]!),
    });
  }

  /**
   * Parameters of the whole model, each on exactly one rank: those that this one counts in a norm and saves and, when
   * updates are sharded, alone updates. A parameter tied between stages is that of the first.
   */
  ownedParameters(): { stage: number; name: string; parameter: Parameter }[] {
    const seen = new Map<Parameter, number>();
    const all = [...this.#modules]
      .sort(([a], [b]) => a - b)
      .flatMap(([stage, module]) =>
        module.namedParameters().map(([name, parameter]) => ({ stage, name, parameter })),
      );
    for (const { stage, parameter } of all) if (!seen.has(parameter)) seen.set(parameter, stage);
    return all.filter(
      ({ stage, parameter }) =>
        seen.get(parameter) === stage && (this.#shared === undefined || this.#shared.owns(parameter)),
    );
  }

  /** Every parameter of this rank once. */
  parameters(): Parameter[] {
    return [...new Set([...this.#modules.values()].flatMap((module) => module.parameters()))];
  }

  /** The micro-batches of a step whose inputs, and whose labels, are given to `step` on this rank. */
  endsOf(numMicroBatches: number): { entering: readonly number[]; leaving: readonly number[] } {
    const { program } = this.#programs.of(numMicroBatches, false);
    return microBatchesAt(program, this.group.rank);
  }

  /** The most micro-batches of activations that this rank's stages held in the last step. */
  get maxInFlight(): number {
    return [...this.#stages.values()].reduce((sum, stage) => sum + stage.maxInFlight, 0);
  }

  /**
   * Runs one step: training, or forward only inside `noGrad`. Gradients are added to those that are there already.
   * @param inputs Needed on the ranks that hold the first stage, for the micro-batches that enter there.
   * @throws ScheduleError when the schedule does not exist for this number of micro-batches; StepError; TransportError.
   * After an error every rank of the group gets one, in its present or its next transfer there; then the next step can be
   * run. The gradients of a step that failed are incomplete: zero them.
   */
  step(inputs: Tensor | Message | null, options: StepOptions): StepResult {
    return this.#guarded(() => this.#step(inputs, options));
  }

  /**
   * Gives the other holders of this rank's parameters the values that the optimizers of their owners have made, and takes
   * theirs; to be called on every rank after these. Nothing happens unless `shardUpdates` is set.
   * @throws TransportError
   */
  shareUpdates(): void {
    this.#guarded(() => during("the exchange of updated parameters", () => this.#shared?.shareUpdates()));
  }

  #step(inputs: Tensor | Message | null, options: StepOptions): StepResult {
    const training = this.runtime.gradEnabled;
    const prepared = this.#programs.of(options.numChunks, !training);
    const place = { pipelineRank: this.group.rank, rank: this.#everyone.rank };
    const data = new StepData(prepared.program, place, this.#batchDim, inputs, options, training);
    const shared = training ? this.#shared : undefined;
    try {
      for (const stage of this.#stages.values()) stage.begin(data);
      shared?.begin();
      this.#execute(prepared, data, shared);
      during("the sum of the gradients that several ranks have", () =>
        shared?.end((holder) => this.#doneOrder(prepared, holder)),
      );
      return data.result();
    } finally {
      for (const stage of this.#stages.values()) stage.end();
      shared?.forget();
      data.dispose();
    }
  }

  /** Holders are listed by replica, and in each by rank; where there are mirrors, there are two in each. */
  #doneOrder({ lastBackward, mirrorOrder }: StepProgram, holder: number): readonly number[] {
    const { mirror } = this.#programs;
    const isAtOurPlace = mirror === undefined || (holder % 2 === 0) === this.group.rank < mirror;
    return isAtOurPlace ? [...lastBackward.values()].flat() : mirrorOrder;
  }

  #execute(prepared: StepProgram, data: StepData, shared: SharedParameters | undefined): void {
    const { program, plan, lastBackward } = prepared;
    const executor = new Executor<Message>({
      plan,
      stages: this.#stages,
      link: {
        send: (peer, kind, value) => {
          this.group.send(peer, kind, value);
          if (kind === "activation-gradients") disposeAll(value);
        },
        receive: (peer, kind) => this.group.receive(peer, kind),
      },
      numStages: program.numStages,
      inputOf: (microBatch) => data.takeInputs(microBatch),
      lossGradOf: () => [],
      handOver: (value) => value.map((tensor) => tensor?.share() ?? null),
      discard: disposeAll,
      observer: {
        started: () => this.#recorder?.started(),
        ended: (computation) => {
          this.#recorder?.ended(computation);
          if (shared) for (const stage of lastBackward.get(computation) ?? []) shared.stageDone(stage);
        },
      },
      explain: (error, computation) => this.#explain(error, computation),
    });
    // What a step makes has owners of its own; the caller's scope must not grow with the number of micro-batches.
    const outer = this.runtime.currentScope;
    this.runtime.currentScope = undefined;
    try {
      executor.run();
    } finally {
      this.runtime.currentScope = outer;
    }
  }

  #explain(error: unknown, { action }: PlannedComputation): Error {
    if (error instanceof StepError) return error;
    if (error instanceof TransportError) return inPlace(formatAction(action), error);
    const place = { rank: this.#everyone.rank, action: formatAction(action) };
    return new StepError("STAGE_FAILED", place, problemOf(error), { cause: error });
  }

  /** When this rank fails, the others must not wait for it. */
  #guarded<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      const heardOfIt =
        error instanceof TransportError && error.code === "ABORTED" && error.group === this.#everyone.root;
      if (!heardOfIt) {
        this.#everyone.abort(`rank ${this.#everyone.rank} failed: ${problemOf(error)}`);
      }
      throw error;
    }
  }
}

/** A transfer's error that says what it was for. */
function inPlace(place: string, error: TransportError): TransportError {
  const { code, group, problem } = error;
  return new TransportError(code, `in ${place}: ${problem}`, {
    cause: error,
    group,
  });
}

function during(place: string, body: () => void): void {
  try {
    body();
  } catch (error) {
    throw error instanceof TransportError ? inPlace(place, error) : error;
  }
}

function disposeAll(message: Message): void {
  for (const tensor of message) tensor?.dispose();
}

/** The stages that a rank must have modules for, in ascending order. @throws ScheduleError */
export function stagesOfRank(
  schedule: string | Program,
  numRanks: number,
  rank: number,
  stagesPerRank?: number,
): number[] {
  const choice = stagesPerRank === undefined ? { schedule } : { schedule, stagesPerRank };
  return stagesOf(placementOf(choice, numRanks), rank);
}

interface Places {
  /** The rank of the group at each place; the places of one replica follow those of the one before. */
  readonly ranksAt: readonly number[];
  /** That of this rank. */
  readonly place: number;
  /** Of one replica. */
  readonly numPlaces: number;
}

function placesOf(
  { rank, size }: ProcessGroup,
  numReplicas: number,
  rankMapping: readonly number[] = Array.from({ length: size }, (_, rank) => rank),
): Places {
  const refuse = (rule: string): StepError => new StepError("INVALID_INPUT", { rank }, rule);
  if (!Number.isInteger(numReplicas) || numReplicas < 1 || size % numReplicas !== 0)
    throw refuse(
      `numReplicas must be a whole number that divides the group's ${size} ranks; got ${numReplicas}`,
    );
  const ranksAt = Array.from({ length: size }, (_, place) => rankMapping.indexOf(place));
  if (rankMapping.length !== size || ranksAt.includes(-1))
    throw refuse(
      `rankMapping must name each of the ranks 0..${size - 1} once; got [${rankMapping.join(", ")}]`,
    );
  return { ranksAt, place: rankMapping[rank]!, numPlaces: size / numReplicas };
}
