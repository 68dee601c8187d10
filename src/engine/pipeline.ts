import type { Parameter } from "../autograd/parameter.ts";
import { formatAction, type Program, stagesOf } from "../schedule/index.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Message, ProcessGroup } from "../transport/process-group.ts";
import { TransportError } from "../transport/transport-error.ts";
import { StepError } from "./errors.ts";
import { Executor } from "./executor.ts";
import { MirroredParameters } from "./mirrored-parameters.ts";
import { ModuleStage } from "./module-stage.ts";
import { overlapHookOf } from "./overlap.ts";
import type { PlannedComputation } from "./plan.ts";
import type { Recorder } from "./recorder.ts";
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
  /** The pipeline rank of each rank of the process group; the same numbers by default. */
  readonly rankMapping?: readonly number[];
  readonly recorder?: Recorder;
}

/** One rank of a pipeline under any schedule that has a program. */
export class Pipeline {
  /** The group in the order of the pipeline's ranks. */
  readonly group: ProcessGroup;
  readonly runtime: Runtime;
  readonly #programs: StepPrograms;
  readonly #modules: ReadonlyMap<number, StageModule>;
  readonly #stages: ReadonlyMap<number, ModuleStage>;
  readonly #mirrored: MirroredParameters | undefined;
  readonly #batchDim: number;
  readonly #recorder: Recorder | undefined;

  /** Every rank of the group constructs its own; mirrored parameters are made equal then. */
  constructor(options: PipelineOptions) {
    const { modules, processGroup, batchDim = 0, rankMapping, recorder } = options;
    this.group = rankMapping ? processGroup.subgroup(inverseOf(rankMapping, processGroup)) : processGroup;
    this.runtime = this.group.runtime;
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
        { rank },
        `the schedule puts the stages ${wanted.join(" and ")} here; got modules for ${[...modules.keys()].join(" and ")}`,
      );
    const hook = overlapHookOf([...modules.values()]);
    const { numStages } = placement;
    this.#stages = new Map(
      [...modules].map(([stageIndex, module]) => [
        stageIndex,
        new ModuleStage(module, { rank, stageIndex, numStages }, hook),
      ]),
    );
    if (mirror !== undefined) {
      this.#mirrored = new MirroredParameters(this.group, mirror, modules);
      this.#guarded(() => this.#mirrored!.equalize());
    }
  }

  /**
   * Parameters of the whole model, each on exactly one rank: those that this one counts in a norm and saves. Of two
   * mirrors, the one that takes the first direction has them; a parameter tied between stages belongs to the first.
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
        seen.get(parameter) === stage && this.#programs.placement.rankOfStage[0]![stage] === this.group.rank,
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

  #step(inputs: Tensor | Message | null, options: StepOptions): StepResult {
    const training = this.runtime.gradEnabled;
    const prepared = this.#programs.of(options.numChunks, !training);
    const { rank } = this.group;
    const data = new StepData(prepared.program, rank, this.#batchDim, inputs, options, training);
    const mirrored = training ? this.#mirrored : undefined;
    try {
      for (const stage of this.#stages.values()) stage.begin(data);
      mirrored?.begin();
      this.#execute(prepared, data, mirrored);
      mirrored?.end(prepared.mirrorOrder);
      return data.result();
    } finally {
      for (const stage of this.#stages.values()) stage.end();
      mirrored?.forget();
      data.dispose();
    }
  }

  #execute(prepared: StepProgram, data: StepData, mirrored: MirroredParameters | undefined): void {
    const { program, plan, lastBackward } = prepared;
    const executor = new Executor<Message>({
      plan,
      stages: this.#stages,
      link: {
        send: (peer, kind, value) => {
          this.group.send(peer, kind, value);
          if (kind === "gradients") disposeAll(value);
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
          if (mirrored) for (const stage of lastBackward.get(computation) ?? []) mirrored.stageDone(stage);
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
    const place = { rank: this.group.rank, action: formatAction(action) };
    if (error instanceof StepError) return error;
    const message = error instanceof Error ? error.message.replace(/^dualpipe: /, "") : String(error);
    if (error instanceof TransportError) {
      const { code, group } = error;
      return new TransportError(code, `in ${place.action}: ${message}`, { cause: error, group });
    }
    return new StepError("STAGE_FAILED", place, message, { cause: error });
  }

  /** When this rank fails, the others must not wait for it. */
  #guarded<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      const heardOfIt =
        error instanceof TransportError && error.code === "ABORTED" && error.group === this.group;
      if (!heardOfIt) {
        const message = error instanceof Error ? error.message.replace(/^dualpipe: /, "") : String(error);
        this.group.abort(`rank ${this.group.rank} failed: ${message}`);
      }
      throw error;
    }
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

function inverseOf(rankMapping: readonly number[], { rank, size }: ProcessGroup): number[] {
  const inverse = Array.from({ length: size }, (_, pipelineRank) => rankMapping.indexOf(pipelineRank));
  if (rankMapping.length !== size || inverse.includes(-1))
    throw new StepError(
      "INVALID_INPUT",
      { rank },
      `rankMapping must name each of the ranks 0..${size - 1} once; got [${rankMapping.join(", ")}]`,
    );
  return inverse;
}
