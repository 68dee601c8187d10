/**
 * Answers "how should I train this model on these devices?" by trying all ways.
 *
 * A formula for each schedule's bubble would answer faster, and wrongly: the head makes the last stage longer, links
 * take time, and memory decides. So every schedule is combined with every number of ranks that divides the devices,
 * every micro-batch size that divides a replica's share of the batch, and recomputation on or off. Each combination is
 * simulated with the costs of its own stages (model-cost.ts). That is a few hundred simulations of a few milliseconds,
 * because the time of a step is linear in the number of micro-batches once the pipeline is full (candidate.ts).
 *
 * Memory is a hard limit, time is what is compared. For the best few placements a search (search/search.ts) then looks
 * for a program that no named schedule has. Each schedule that lost gets the reason that counts most, so the answer can
 * be argued with.
 */
import { counted } from "../../errors/counted.ts";
import type { Program } from "../program/program.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import { sizeProblem } from "../program/sizes.ts";
import type { ScheduleDefinition } from "../schedules/definition.ts";
import { schedules } from "../schedules/registry.ts";
import { evaluateCandidate, type PlannedRun, type PlanRequest } from "./candidate.ts";
import { searchedRun } from "./searched-run.ts";

/** A schedule that is not the best, and why. */
export interface LostSchedule {
  readonly schedule: string;
  readonly reason: string;
  readonly best?: PlannedRun;
}

export interface Plan {
  /** The fastest runs that fit in memory, the fastest first. */
  readonly best: readonly PlannedRun[];
  readonly lost: readonly LostSchedule[];
  readonly numEvaluated: number;
  /** All runs that were evaluated, also those that do not fit in memory, and the searched one. */
  readonly candidates: readonly PlannedRun[];
  /** The result of the search for a program that beats the named schedules, in words. */
  readonly search: string;
  /** The program of the run called "searched", where there is one. */
  readonly searchedProgram?: Program;
}

/** The runs of one schedule, and the first reason why other sizes are impossible. */
interface Candidates {
  readonly runs: PlannedRun[];
  rejection: string | undefined;
}

const MAX_MICRO_BATCH = 64;

function divisors(value: number): number[] {
  return Array.from({ length: value }, (_, index) => index + 1).filter((divisor) => value % divisor === 0);
}

function checkRequest({ globalBatch, numDevices, sequenceLength, device }: PlanRequest): void {
  const counts = { "global batch": globalBatch, devices: numDevices, "sequence length": sequenceLength };
  for (const [name, value] of Object.entries(counts)) {
    if (Number.isSafeInteger(value) && value >= 1 && value <= 2 ** 20) continue;
    throw new ScheduleError(
      "INVALID_PLAN",
      `plan: ${name} must be a whole number from 1 to ${2 ** 20}; got ${value}; correct it`,
    );
  }
  const { peakFlops, efficiency, memoryBytes, allReduceBandwidth, pairShare = 1, halfRows = 0 } = device;
  if (!(halfRows >= 0 && halfRows <= 2 ** 20)) {
    throw new ScheduleError(
      "INVALID_PLAN",
      `plan: the rows for half of the efficiency must be a number from 0 to ${2 ** 20}; got ${halfRows}; correct it`,
    );
  }
  if (!(pairShare > 0 && pairShare <= 1)) {
    throw new ScheduleError(
      "INVALID_PLAN",
      `plan: a pair's share of its F + B must be over 0 and at most 1; got ${pairShare}; correct it`,
    );
  }
  if (!(peakFlops > 0 && efficiency > 0 && efficiency <= 1 && memoryBytes > 0 && allReduceBandwidth > 0)) {
    throw new ScheduleError(
      "INVALID_PLAN",
      `plan: a device's operations, memory and bandwidth must be over 0 and its efficiency at most 1; got ` +
        `${peakFlops}, ${memoryBytes}, ${allReduceBandwidth} and ${efficiency}; correct them`,
    );
  }
}

/** The numbers of replicas that can share the experts of a layer evenly. */
function waysToSpread({ model }: PlanRequest, numReplicas: number): number[] {
  const { numExperts = 1 } = model.experts ?? {};
  return divisors(numReplicas).filter((number) => numExperts % number === 0);
}

function tryAll(definition: ScheduleDefinition, request: PlanRequest): Candidates {
  const schedule = definition.name;
  const candidates: Candidates = { runs: [], rejection: undefined };
  const { atLeast } = definition.constraints.stagesPerRank;
  const isFixed = definition.constraints.stagesPerRank.atMost === atLeast;
  for (const numRanks of divisors(request.numDevices)) {
    const numReplicas = request.numDevices / numRanks;
    if (request.globalBatch % numReplicas !== 0) continue;
    const batchOfReplica = request.globalBatch / numReplicas;
    for (const microBatchSize of divisors(batchOfReplica).filter((size) => size <= MAX_MICRO_BATCH)) {
      for (const stagesPerRank of isFixed ? [atLeast] : [atLeast, 2 * atLeast]) {
        const numMicroBatches = batchOfReplica / microBatchSize;
        const sizes = { numRanks, numMicroBatches, stagesPerRank };
        const problem = sizeProblem(definition.constraints, sizes);
        if (problem !== undefined) {
          candidates.rejection ??= problem;
          continue;
        }
        const { numStages } = definition.placement(sizes);
        if (numStages > request.model.numLayers) {
          candidates.rejection ??= `stages must be at most the ${counted(request.model.numLayers, "layer")}; got ${numStages}`;
          continue;
        }
        for (const expertParallel of waysToSpread(request, numReplicas))
          for (const recompute of [false, true]) {
            const candidate = { schedule, ...sizes, numReplicas, microBatchSize, recompute };
            candidates.runs.push(
              evaluateCandidate(request, expertParallel === 1 ? candidate : { ...candidate, expertParallel }),
            );
          }
      }
    }
  }
  return candidates;
}

const byTime = (a: PlannedRun, b: PlannedRun) => a.stepSeconds - b.stepSeconds;

/**
 * The fastest ways to train the model of the request, and why each other schedule lost.
 * @param numBest The largest number of runs to return as `best`.
 * @param showCandidates Takes the runs of the named schedules, before the search for a better program.
 * @throws ScheduleError `INVALID_PLAN`
 */
export function plan(
  request: PlanRequest,
  numBest = 10,
  showCandidates: (candidates: readonly PlannedRun[]) => void = () => {},
): Plan {
  checkRequest(request);
  const { memoryBytes } = request.device;
  const tried = schedules.map((schedule) => ({ name: schedule.name, ...tryAll(schedule, request) }));
  const all = tried.flatMap(({ runs }) => runs);
  showCandidates(all);
  const fitting = all.filter((run) => run.peakBytes <= memoryBytes).toSorted(byTime);
  const winner = fitting[0];
  const search = winner === undefined ? undefined : searchedRun(request, fitting);
  const ranked = search?.run === undefined ? fitting : [...fitting, search.run].toSorted(byTime);
  const lost = tried.flatMap(({ name, runs, rejection }): LostSchedule[] => {
    const own = runs.filter((run) => run.peakBytes <= memoryBytes).toSorted(byTime)[0];
    if (own !== undefined && own === ranked[0]) return [];
    if (own !== undefined) return [{ schedule: name, best: own, reason: whySlower(own, ranked[0]!) }];
    const least = runs.toSorted((a, b) => a.peakBytes - b.peakBytes)[0];
    if (least !== undefined) {
      const given = `${gigabytes(least.peakBytes)} of ${gigabytes(memoryBytes)}`;
      return [{ schedule: name, best: least, reason: `does not fit: needs at least ${given}` }];
    }
    return [
      { schedule: name, reason: rejection ?? "the global batch cannot be shared out among the devices" },
    ];
  });
  return {
    best: ranked.slice(0, numBest),
    lost,
    numEvaluated: all.length,
    candidates: search?.run === undefined ? all : [...all, search.run],
    ...(search?.program && { searchedProgram: search.program }),
    search: search?.report ?? nothingToImprove(all.length),
  };
}

function nothingToImprove(numEvaluated: number): string {
  const reason = numEvaluated === 0 ? "no schedule suits these sizes" : "nothing fits in memory";
  return `${reason}, so there is nothing to improve`;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

function whySlower(own: PlannedRun, winner: PlannedRun): string {
  const slower = `${(100 * (own.stepSeconds / winner.stepSeconds - 1)).toFixed(1)} % slower`;
  const percent = (ratio: number) => `${(100 * ratio).toFixed(1)} %`;
  const parts = [
    {
      loss: own.bubbleRatio - winner.bubbleRatio,
      text: `bubble ${percent(own.bubbleRatio)} against ${percent(winner.bubbleRatio)}`,
    },
    {
      loss: (own.allReduceSeconds - winner.allReduceSeconds) / winner.stepSeconds,
      text: `${(1000 * own.allReduceSeconds).toFixed(0)} ms of all-reduce against ${(1000 * winner.allReduceSeconds).toFixed(0)}`,
    },
    { loss: own.recompute && !winner.recompute ? 0.25 : 0, text: "fits only with recomputation" },
  ].filter(({ loss }) => loss > 1e-6);
  const main = parts.toSorted((a, b) => b.loss - a.loss)[0];
  return main === undefined ? slower : `${slower}: ${main.text}`;
}
