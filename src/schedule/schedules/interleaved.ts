import { loopedPlacement } from "../program/placement.ts";
import type { ProgramSizes, SizeConstraints } from "../program/sizes.ts";
import { type AscendingActions, ascendingProgram } from "./ascending-actions.ts";
import type { ScheduleDefinition } from "./definition.ts";

const ANY_MICRO_BATCHES: SizeConstraints = {
  ranks: { atLeast: 1 },
  microBatches: { atLeast: 1 },
  stagesPerRank: { atLeast: 2 },
};

/** Writes the forwards and backwards of one rank in the order in which micro-batches pass its stages. */
class LoopedSteps {
  readonly numSteps: number;
  /** The number of micro-batches in the first round. */
  readonly firstRound: number;
  readonly #actions: AscendingActions;
  readonly #stageOfStep: Uint32Array;
  readonly #lastStage: number;
  #numForwards = 0;
  #numBackwards = 0;
  #numWeights = 0;

  constructor(
    { numRanks, numMicroBatches, stagesPerRank = 2 }: ProgramSizes,
    actions: AscendingActions,
    rank: number,
  ) {
    this.#actions = actions;
    this.numSteps = numMicroBatches * stagesPerRank;
    this.#lastStage = (stagesPerRank - 1) * numRanks + 2 * rank;
    const numRounds = Math.max(1, Math.floor(numMicroBatches / numRanks));
    this.firstRound = Math.ceil(numMicroBatches / numRounds);
    this.#stageOfStep = new Uint32Array(this.numSteps);
    for (let round = 0, step = 0, left = numMicroBatches; round < numRounds; round++) {
      const size = Math.ceil(left / (numRounds - round));
      left -= size;
      for (let loop = 0; loop < stagesPerRank; loop++, step += size)
        this.#stageOfStep.fill(loop * numRanks + rank, step, step + size);
    }
  }

  forward(): void {
    this.#actions.add("F", this.#stageOfStep[this.#numForwards++]!);
  }

  /** The stages come in the opposite order. */
  backward(kind: "B" | "I"): void {
    this.#actions.add(kind, this.#lastStage - this.#stageOfStep[this.#numBackwards++]!);
  }

  /** The W of the earliest I that has none yet. */
  weights(): void {
    this.#actions.add("W", this.#lastStage - this.#stageOfStep[this.#numWeights++]!);
  }
}

/**
 * 1F1B with several stages per rank, which micro-batches pass in loops around the ranks. They go in rounds of about
 * `numRanks`: a round passes a rank's first stage, then its second, and so on.
 *
 * Torch has as many rounds (M / P, rounded down) and wants them to be equal; here the first ones are larger by one
 * micro-batch where M is no multiple of their number.
 */
export const interleaved: ScheduleDefinition = {
  name: "interleaved",
  title: "Interleaved 1F1B",
  source:
    "Megatron-LM (arXiv 2104.04473), section 2.2; rounds of any size as in torch.distributed.pipelining",
  constraints: { ...ANY_MICRO_BATCHES, extraWarmUps: true },
  placement: loopedPlacementOf,
  generate: (sizes) => {
    const { numRanks, stagesPerRank = 2, extraWarmUps = 0 } = sizes;
    return ascendingProgram("interleaved", sizes, loopedPlacementOf(sizes), (actions, rank) => {
      const steps = new LoopedSteps(sizes, actions, rank);
      const { numSteps, firstRound } = steps;
      const ahead = (stagesPerRank - 1) * firstRound + 2 * (numRanks - 1 - rank) + extraWarmUps;
      const numWarmUps = Math.min(ahead, numSteps);
      for (let step = 0; step < numWarmUps; step++) steps.forward();
      for (let step = numWarmUps; step < numSteps; step++) {
        steps.forward();
        steps.backward("B");
      }
      for (let step = numSteps - numWarmUps; step < numSteps; step++) steps.backward("B");
    });
  },
};

/** Interleaved 1F1B with split backwards: ZB1P with several stages per rank. */
export const interleavedZeroBubble: ScheduleDefinition = {
  name: "interleaved-zb",
  title: "Interleaved zero bubble",
  source: "ScheduleInterleavedZeroBubble of torch.distributed.pipelining, after arXiv 2401.10241",
  constraints: { ...ANY_MICRO_BATCHES, extraWarmUps: true },
  placement: loopedPlacementOf,
  generate: (sizes) => {
    const { numRanks, stagesPerRank = 2, extraWarmUps = 0 } = sizes;
    return ascendingProgram("interleaved-zb", sizes, loopedPlacementOf(sizes), (actions, rank) => {
      const steps = new LoopedSteps(sizes, actions, rank);
      const { numSteps, firstRound } = steps;
      const ahead = (stagesPerRank - 1) * firstRound + (numRanks - 1 - rank) + extraWarmUps;
      const numWarmUps = Math.min(ahead, numSteps);
      for (let step = 0; step < numWarmUps; step++) steps.forward();
      for (let step = 0; step < numSteps; step++) {
        if (numWarmUps + step < numSteps) steps.forward();
        steps.backward("I");
        if (step >= rank) steps.weights();
      }
      for (let step = 0; step < Math.min(rank, numSteps); step++) steps.weights();
    });
  },
};

/** GPipe with several stages per rank: all micro-batches pass a stage before the rank's next one starts. */
export const loopedBreadthFirst: ScheduleDefinition = {
  name: "looped-bfs",
  title: "Looped BFS",
  source: "Breadth-First Pipeline Parallelism (arXiv 2211.05953)",
  constraints: ANY_MICRO_BATCHES,
  holdsAllActivations: true,
  placement: loopedPlacementOf,
  generate: (sizes) => {
    const { numRanks, numMicroBatches, stagesPerRank = 2 } = sizes;
    return ascendingProgram("looped-bfs", sizes, loopedPlacementOf(sizes), (actions, rank) => {
      const each = (kind: "F" | "B", loop: number) => {
        for (let i = 0; i < numMicroBatches; i++) actions.add(kind, loop * numRanks + rank);
      };
      for (let loop = 0; loop < stagesPerRank; loop++) each("F", loop);
      for (let loop = stagesPerRank - 1; loop >= 0; loop--) each("B", loop);
    });
  },
};

function loopedPlacementOf({ numRanks, numMicroBatches, stagesPerRank = 2 }: ProgramSizes) {
  return loopedPlacement(numRanks, numMicroBatches, stagesPerRank);
}
