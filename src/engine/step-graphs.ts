/**
 * Steps that are launched as one graph.
 *
 * With small layers a card waits for the host: launching a kernel takes longer than computing it. A step is the same
 * list of kernels each time, so it can be captured once and launched with one call; all that differs is the numbers in
 * its inputs and labels, which are copied to where the graph reads them.
 *
 * A graph is right only for exactly the step that was captured. So a step is captured for each form (shapes, dtypes,
 * micro-batches, criterion), after it has run once without a graph, which sets up what cannot be set up in a capture.
 * A step that starts with gradients from an earlier one runs without a graph too: it adds to tensors that come and go.
 * Losses and outputs are copies. Gradients are the graph's own tensors: the next replay overwrites them.
 *
 * Whatever a module does in TypeScript happens in the capture alone. A step whose modules read values cannot be
 * captured: all ranks then run without a graph, and a warning says why.
 *
 * Streams of a card that wait for a flag take up its queues. With many ranks on one card, the queue of the rank that is
 * waited for may lie behind them, and nothing goes on; so more than two ranks on a card run without.
 *
 * Invariant: all ranks of a group capture and replay the same steps, because all decide by the same rule.
 */
import type { Parameter } from "../autograd/parameter.ts";
import { problemOf } from "../errors/dualpipe-error.ts";
import type { Device, DeviceGraph } from "../tensor/device.ts";
import * as kernels from "../tensor/kernels/index.ts";
import type { Runtime } from "../tensor/runtime.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Message, ProcessGroup } from "../transport/process-group.ts";
import { type Batch, SameForAll } from "./micro-batches.ts";
import type { PipelineOptions } from "./pipeline-options.ts";
import type { StepInputs, StepOptions, StepResult } from "./step-data.ts";

const RANKS_PER_CARD_MAX = 2;

type Step = (inputs: StepInputs, options: StepOptions) => StepResult;

/** A step as a graph, with the tensors that it reads and writes. */
interface CapturedStep {
  readonly graph: DeviceGraph;
  readonly inputs: Message;
  readonly labels: Message;
  readonly result: StepResult;
  readonly gradients: readonly (readonly [Parameter, Tensor | null])[];
}

/** What is known of a form of step: that it has run once, its graph, or that it cannot be captured. */
type Known = "has run" | "without graph" | CapturedStep;

export class StepGraphs {
  readonly #runtime: Runtime;
  readonly #parameters: readonly Parameter[];
  readonly #steps = new Map<string, Known>();
  readonly #criteria = new Map<unknown, number>();
  readonly #isPossible: boolean;
  #problem: string | undefined;

  /**
   * @param parameters Those that get gradients.
   * @param ranks All ranks of the run.
   */
  constructor(runtime: Runtime, parameters: readonly Parameter[], ranks: ProcessGroup) {
    this.#runtime = runtime;
    this.#parameters = parameters;
    this.#problem = whyNoGraphs(runtime.device, ranks);
    this.#isPossible = this.#problem === undefined;
  }

  /** The graphs that a pipeline's options ask for. */
  static from(
    { useGraphs = false, processGroup }: PipelineOptions,
    parameters: readonly Parameter[],
  ): StepGraphs | undefined {
    return useGraphs ? new StepGraphs(processGroup.runtime, parameters, processGroup.root) : undefined;
  }

  /** Why steps run without a graph, if they do. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Runs a step, as a graph if it can be one. @param step Runs it without. */
  run(inputs: StepInputs, options: StepOptions, step: Step): StepResult {
    if (!this.#isPossible || this.#parameters.some(({ grad }) => grad !== null)) return step(inputs, options);
    const form = this.#formOf(inputs, options);
    const known = this.#steps.get(form);
    if (known === undefined || known === "without graph") {
      this.#steps.set(form, known ?? "has run");
      return step(inputs, options);
    }
    if (known !== "has run") {
      try {
        return this.#replay(known, inputs, options);
      } catch (error) {
        if ((error as { code?: string }).code !== "ABORTED") throw error;
        // Another rank failed. The step hears of it in its first transfer, and the next ones start over.
        this.dispose();
        return step(inputs, options);
      }
    }
    try {
      const captured = this.#capture(inputs, options, step);
      this.#steps.set(form, captured);
      return this.#replay(captured, inputs, options);
    } catch (error) {
      this.#steps.set(form, "without graph");
      this.#dropGradients();
      this.#problem = problemOf(error);
      process.emitWarning(`dualpipe: steps run without a CUDA graph: ${this.#problem}`);
      return step(inputs, options);
    }
  }

  /** Frees all graphs. */
  dispose(): void {
    for (const known of this.#steps.values()) if (typeof known === "object") disposeStep(known);
    this.#steps.clear();
  }

  #formOf(inputs: StepInputs, { numChunks, criterion, labels, returnOutputs }: StepOptions): string {
    if (!this.#criteria.has(criterion)) this.#criteria.set(criterion, this.#criteria.size);
    const formOf = (each: Batch[number]) => {
      const tensor = tensorOf(each);
      return tensor && [each instanceof SameForAll, tensor.dtype, ...tensor.shape];
    };
    return JSON.stringify([
      this.#runtime.gradEnabled,
      numChunks,
      this.#criteria.get(criterion),
      returnOutputs ?? false,
      batchOf(inputs).map(formOf),
      (labels ?? []).map(formOf),
    ]);
  }

  #capture(inputs: StepInputs, options: StepOptions, step: Step): CapturedStep {
    const runtime = this.#runtime;
    const keep = (tensor: Tensor | null) => tensor && runtime.scope(() => kernels.clone(tensor).share());
    const { labels } = options;
    const own = { inputs: tensorsOf(inputs).map(keep), labels: tensorsOf(labels ?? null).map(keep) };
    try {
      const { graph, result } = runtime.device.capture!(() =>
        step(inputs && like(batchOf(inputs), own.inputs), {
          ...options,
          ...(labels && { labels: like(labels, own.labels) }),
        }),
      );
      const gradients = this.#parameters.map(
        (parameter) => [parameter, parameter.grad?.share() ?? null] as const,
      );
      this.#dropGradients();
      return { graph, ...own, result: takeOver(result), gradients };
    } catch (error) {
      for (const tensor of [...own.inputs, ...own.labels]) tensor?.dispose();
      throw error;
    }
  }

  #replay(captured: CapturedStep, inputs: StepInputs, { labels = [] }: StepOptions): StepResult {
    tensorsOf(inputs).forEach((tensor, i) => {
      if (tensor) kernels.copy_(captured.inputs[i]!, tensor);
    });
    tensorsOf(labels).forEach((tensor, i) => {
      if (tensor) kernels.copy_(captured.labels[i]!, tensor);
    });
    captured.graph.replay();
    for (const [parameter, gradient] of captured.gradients) parameter.grad = gradient?.share() ?? null;
    const { loss, outputs } = captured.result;
    const copy = (tensor: Tensor | null) => tensor && kernels.clone(tensor);
    return {
      loss: copy(loss),
      outputs: outputs === null || outputs instanceof Tensor ? copy(outputs) : outputs.map(copy),
    };
  }

  #dropGradients(): void {
    for (const parameter of this.#parameters) parameter.grad = null;
  }
}

function whyNoGraphs(
  { capture, numDevices }: Device,
  { size: numRanks, isWithinProcess }: ProcessGroup,
): string | undefined {
  if (capture === undefined) return "only ranks on cards run steps as graphs";
  if (!isWithinProcess) return "only ranks of one process run steps as graphs";
  if (numRanks <= RANKS_PER_CARD_MAX * numDevices) return undefined;
  return `at most ${RANKS_PER_CARD_MAX} ranks of a card run steps as graphs; got ${numRanks} ranks on ${numDevices} cards`;
}

function batchOf(inputs: StepInputs): Batch {
  return inputs === null ? [] : inputs instanceof Tensor ? [inputs] : inputs;
}

function tensorOf(each: Batch[number]): Tensor | null {
  return each instanceof SameForAll ? each.tensor : each;
}

function tensorsOf(inputs: StepInputs): Message {
  return batchOf(inputs).map(tensorOf);
}

/** Other tensors in the roles of those of a batch. */
function like(batch: Batch, tensors: Message): Batch {
  return batch.map((each, i) => (each instanceof SameForAll ? new SameForAll(tensors[i]!) : tensors[i]!));
}

/** The same tensors, which no scope owns. */
function takeOver({ loss, outputs }: StepResult): StepResult {
  const take = (tensor: Tensor | null): Tensor | null => {
    const taken = tensor?.share() ?? null;
    tensor?.dispose();
    return taken;
  };
  return {
    loss: take(loss),
    outputs: outputs === null || outputs instanceof Tensor ? take(outputs) : outputs.map(take),
  };
}

function disposeStep({ graph, inputs, labels, result, gradients }: CapturedStep): void {
  const { loss, outputs } = result;
  const all = [
    ...inputs,
    ...labels,
    loss,
    ...tensorsOf(outputs),
    ...gradients.map(([, gradient]) => gradient),
  ];
  for (const tensor of all) tensor?.dispose();
  graph.free();
}
