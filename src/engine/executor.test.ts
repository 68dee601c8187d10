import { expect, test } from "vitest";
import { activation, gradient, prepare, type Run } from "../../test/engine/fake-rank.ts";
import {
  type Action,
  buildProgram,
  formatAction,
  lower,
  type OverlappedPair,
  type Program,
  schedules,
} from "../schedule/index.ts";
import type { Suspendable, Transfer } from "../tensor/suspension.ts";

/** What a rank must do, in order, derived from the program and the rule: a value leaves the moment it exists. */
function expectedLog({ ranks, placement, numStages }: Program, rank: number): string[] {
  const log: string[] = [];
  const holder = (stage: number, microBatch: number): number =>
    placement.rankOfStage[placement.directionOfMicroBatch[microBatch]!]![stage]!;
  const forward = (stage: number, microBatch: number): void => {
    log.push(`${stage}F${microBatch}`);
    if (stage === numStages - 1) return;
    const peer = holder(stage + 1, microBatch);
    const value = activation(stage, microBatch);
    log.push(peer === rank ? `${value} here` : `${value} to ${peer} as activations`);
    log.push(`${stage} sent ${microBatch}`);
  };
  const input = (stage: number, microBatch: number): void => {
    log.push(`${stage}I${microBatch}`);
    const peer = stage === 0 ? rank : holder(stage - 1, microBatch);
    if (peer !== rank) log.push(`${gradient(stage, microBatch)} to ${peer} as gradients`);
  };
  const backward = (stage: number, microBatch: number): void => {
    if (stage === 0) log.push(`${stage}B${microBatch}`);
    else {
      input(stage, microBatch);
      log.push(`${stage}W${microBatch}`);
    }
  };
  const runs: Partial<Record<Action["kind"], (stage: number, microBatch: number) => void>> = {
    F: forward,
    I: input,
    W: (stage, microBatch) => log.push(`${stage}W${microBatch}`),
    B: backward,
  };
  for (const action of ranks[rank]!) {
    if (action.kind === "OVERLAP_F_B") {
      forward(action.forward.stage, action.forward.microBatch);
      backward(action.backward.stage, action.backward.microBatch);
    } else runs[action.kind]?.(action.stage, action.microBatch);
  }
  return log;
}

const everySchedule = schedules.map(({ name }) => name);

test.each(everySchedule)("%s: each value is sent when it exists, and reaches its computation", (name) => {
  for (const numRanks of [1, 2, 3, 4, 6]) {
    if (name === "dualpipe" && numRanks % 2 === 1) continue;
    for (const forwardOnly of [false, true]) {
      const program = lower(buildProgram(name, { numRanks, numMicroBatches: 2 * numRanks, forwardOnly }));
      for (let rank = 0; rank < numRanks; rank++) {
        const { log, discarded, run } = prepare(program, rank);
        run();
        expect(log).toEqual(expectedLog(program, rank));
        expect(discarded).toEqual([]);
      }
    }
  }
});

const dualpipe = lower(buildProgram("dualpipe", { numRanks: 2, numMicroBatches: 8 }));
/** The first pair of rank 0 in which the backward is an I and a W. */
function pairOfRank0(): OverlappedPair {
  for (const action of dualpipe.ranks[0]!)
    if (action.kind === "OVERLAP_F_B" && action.backward.stage > 0) return action;
  throw new Error("there is no such pair");
}

test("a stage that overlaps by itself runs the pairs, and nothing but the pairs", () => {
  const { log, stages, run } = prepare(dualpipe, 0);
  for (const stage of stages.values())
    stage.overlapped = function* (microBatch, inputs, other, otherMicroBatch, outputGrads) {
      log.push("pair");
      const outputs = stage.forward(microBatch, inputs) as string;
      return { outputs, inputGrads: yield* other.backwardInputs(otherMicroBatch, outputGrads) };
    };
  run();
  const pairs = [...dualpipe.ranks[0]!].filter(({ kind }) => kind === "OVERLAP_F_B");
  expect(log.filter((line) => line === "pair")).toHaveLength(pairs.length);
  for (const pair of pairs) {
    if (pair.kind !== "OVERLAP_F_B") continue;
    const { forward, backward } = pair;
    const start = log.indexOf(`${forward.stage}F${forward.microBatch}`) - 1;
    expect(log[start]).toBe("pair");
    expect(log[start + 2]).toBe(`${backward.stage}I${backward.microBatch}`);
  }
});

test("observers are told of each computation, and of each stage when nothing more is added to its gradients", () => {
  for (const { name } of schedules) {
    const program = lower(buildProgram(name, { numRanks: 2, numMicroBatches: 4 }));
    const log: string[] = [];
    const { run } = prepare(program, 0, [
      {
        started: ({ action }) => log.push(`started ${formatAction(action)}`),
        ended: ({ action }) => log.push(`ended ${formatAction(action)}`),
        gradientsComplete: (stage) => log.push(`complete ${stage}`),
      },
    ]);
    run();
    const computations = [...program.ranks[0]!].filter(({ kind }) => !/^(SEND|RECV)/.test(kind));
    const lastOf = new Map<number, Action>();
    for (const action of computations) {
      const backward = action.kind === "OVERLAP_F_B" ? action.backward : action;
      if (backward.kind === "W" || backward.kind === "B") lastOf.set(backward.stage, action);
    }
    const expected = computations.flatMap((action) => [
      `started ${formatAction(action)}`,
      `ended ${formatAction(action)}`,
      ...[...lastOf].filter(([, last]) => last === action).map(([stage]) => `complete ${stage}`),
    ]);
    expect(log).toEqual(expected);
  }
});

/** A transfer that says in the log when it is waited for. */
function* communicate(name: string, log: string[]): Suspendable<void> {
  log.push(`${name} sends`);
  const transfer: Transfer = { isDone: () => false, wait: () => log.push(`${name} waits`) };
  yield transfer;
  log.push(`${name} goes on`);
}

/** Both halves of the first pair of rank 0 communicate. */
function prepareSuspended(): Run & { pair: OverlappedPair } {
  const prepared = prepare(dualpipe, 0);
  const pair = pairOfRank0();
  const { log, stages } = prepared;
  const forwardStage = stages.get(pair.forward.stage)!;
  const backwardStage = stages.get(pair.backward.stage)!;
  forwardStage.forward = function* (microBatch) {
    const name = `${this.index}F${microBatch}`;
    try {
      yield* communicate(name, log);
    } finally {
      log.push(`${name} ends`);
    }
    return activation(this.index, microBatch);
  };
  backwardStage.backwardInputs = function* (microBatch) {
    const name = `${this.index}I${microBatch}`;
    try {
      yield* communicate(name, log);
    } finally {
      log.push(`${name} ends`);
    }
    return gradient(this.index, microBatch);
  };
  return { ...prepared, pair };
}

test("while one half of a pair waits for data, the other computes", () => {
  const { log, run, pair } = prepareSuspended();
  run();
  const F = `${pair.forward.stage}F${pair.forward.microBatch}`;
  const I = `${pair.backward.stage}I${pair.backward.microBatch}`;
  const start = log.indexOf(`${F} sends`);
  const halves = log.slice(start).filter((line) => line.startsWith(`${F} `) || line.startsWith(`${I} `));
  expect(halves).toEqual([
    `${F} sends`,
    `${I} sends`,
    `${F} waits`,
    `${F} goes on`,
    `${F} ends`,
    `${I} waits`,
    `${I} goes on`,
    `${I} ends`,
  ]);
});

test("an error in one half of a pair ends the other, and frees what no stage took over", () => {
  const { log, discarded, stages, run, pair } = prepareSuspended();
  const { forward, backward } = pair;
  const forwardStage = stages.get(forward.stage)!;
  const [inherited, failing] = [forwardStage.forward, forward.microBatch];
  forwardStage.forward = function* (microBatch, inputs) {
    if (microBatch === failing) {
      yield* communicate("the failing one", log);
      throw new Error("boom");
    }
    return yield* inherited.call(this, microBatch, inputs) as Suspendable<string>;
  };
  expect(run).toThrow("OVERLAP_F_B: boom");
  const half = `${backward.stage}I${backward.microBatch}`;
  expect(log.at(-1)).toBe(`${half} ends`);
  expect(log).not.toContain(`${half} goes on`);
  expect(discarded).toContain(activation(forward.stage - 1, forward.microBatch));
});

test("values that wait on this rank for their computation are freed after an error", () => {
  const program = lower(buildProgram("dualpipev", { numRanks: 1, numMicroBatches: 2 }));
  const { discarded, stages, run } = prepare(program, 0);
  stages.get(1)!.forward = () => {
    throw new Error("boom");
  };
  expect(run).toThrow("F: boom");
  expect(discarded).toEqual([activation(0, 0)]);
});

test("a program without communication is refused where the first value is missing", () => {
  const program = buildProgram("1f1b", { numRanks: 2, numMicroBatches: 2 });
  expect(prepare(program, 1).run).toThrow(
    "internal error, please report it: stage 1, micro-batch 0 was not received; is the program lowered?",
  );
});
