import { expect } from "vitest";
import { Executor } from "../../src/engine/executor.ts";
import { type PlannedReceive, planRank } from "../../src/engine/rank-plan.ts";
import type { Stage } from "../../src/engine/stage/stage.ts";
import type { StepObserver } from "../../src/engine/step-observer.ts";
import type { Program } from "../../src/schedule/index.ts";
import type { Suspendable } from "../../src/tensor/suspension.ts";

export const activation = (stage: number, microBatch: number): string => `a${stage}.${microBatch}`;
export const gradient = (stage: number, microBatch: number): string => `g${stage}.${microBatch}`;

function* completed<T>(value: T): Suspendable<T> {
  yield* [];
  return value;
}

/** A stage over strings: it checks what it is given, and logs what it does. */
export class FakeStage implements Stage<string> {
  readonly index: number;
  readonly numStages: number;
  readonly log: string[];
  overlapped: Stage<string>["overlapped"] = undefined;

  constructor(index: number, numStages: number, log: string[]) {
    this.index = index;
    this.numStages = numStages;
    this.log = log;
  }

  forward(microBatch: number, inputs: string): Suspendable<string> | string {
    expect(inputs).toBe(activation(this.index - 1, microBatch));
    this.log.push(`${this.index}F${microBatch}`);
    return activation(this.index, microBatch);
  }

  outputsSent(microBatch: number): void {
    this.log.push(`${this.index} sent ${microBatch}`);
  }

  backwardInputs(microBatch: number, outputGrads: string | null): Suspendable<string> {
    this.#expectGrads(microBatch, outputGrads);
    this.log.push(`${this.index}I${microBatch}`);
    return completed(gradient(this.index, microBatch));
  }

  backwardWeights(microBatch: number): Suspendable<void> {
    this.log.push(`${this.index}W${microBatch}`);
    return completed(undefined);
  }

  backward(microBatch: number, outputGrads: string | null): Suspendable<void> {
    this.#expectGrads(microBatch, outputGrads);
    this.log.push(`${this.index}B${microBatch}`);
    return completed(undefined);
  }

  #expectGrads(microBatch: number, outputGrads: string | null): void {
    const isLast = this.index === this.numStages - 1;
    expect(outputGrads).toBe(isLast ? null : gradient(this.index + 1, microBatch));
  }
}

export interface Run {
  readonly log: string[];
  readonly discarded: string[];
  readonly stages: Map<number, FakeStage>;
  run(): void;
}

/** One rank of a program on fake stages; what it receives is what the peers would have sent. */
export function prepare(program: Program, rank: number, observers: readonly StepObserver[] = []): Run {
  const plan = planRank(program, rank);
  const [log, discarded]: [string[], string[]] = [[], []];
  const { numStages } = program;
  const stages = new Map(
    Array.from({ length: numStages }, (_, index) => [index, new FakeStage(index, numStages, log)]),
  );
  const receives = plan.filter((entry): entry is PlannedReceive => "receive" in entry).values();
  const executor = new Executor<string>({
    plan,
    stages,
    source: { takeInputs: (microBatch) => activation(-1, microBatch) },
    link: {
      send: (peer, kind, value) => log.push(`${value} to ${peer} as ${kind}`),
      receive: (peer, kind) => {
        const entry = receives.next().value!;
        const { kind: action, stage, microBatch } = entry.receive;
        expect(peer).toBe(entry.peer);
        expect(kind).toBe(action === "RECV_F" ? "activations" : "gradients");
        const value =
          action === "RECV_F" ? activation(stage - 1, microBatch) : gradient(stage + 1, microBatch);
        return { isDone: () => true, wait: () => {}, take: () => value };
      },
      handOver: (value) => {
        log.push(`${value} here`);
        return value;
      },
      discard: (value) => discarded.push(value),
    },
    observers,
    explain: (error, { action }) => new Error(`${action.kind}: ${(error as Error).message}`),
  });
  return { log, discarded, stages, run: () => executor.run() };
}
