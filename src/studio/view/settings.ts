/** What a step is made of: its schedule, sizes and costs. Costs are text, as one number or one for each stage. */
export interface StepSettings {
  readonly schedule: string;
  readonly numRanks: number;
  readonly numMicroBatches: number;
  readonly stagesPerRank: number;
  /** F, I, W and the others of `simulate --cost`; those that are left out have the defaults of that option. */
  readonly costs: Readonly<Partial<Record<CostKey, string>>>;
  readonly memory: Readonly<Partial<Record<MemoryKey, string>>>;
  /** Links with a latency and a bandwidth of their own, as links.ts writes them. */
  readonly links: readonly string[];
  /** Whether values leave a computation only at its end, as papers count; the engine sends earlier. */
  readonly whole: boolean;
  readonly order: "eager" | "reference";
  /** Disturbances, as what-if.ts writes them. */
  readonly stalls: readonly string[];
  readonly slowStages: readonly string[];
  /** Whether the two computations of a pair run one after the other, without overlap. */
  readonly separatesPairs: boolean;
  /** The program of a file, in CSV, in place of a named schedule. */
  readonly program?: string | undefined;
}

export type CostKey = "F" | "I" | "W" | "FB" | "pairShare" | "link" | "bandwidth" | "bytes";
export type MemoryKey = "weights" | "activations";

export const COST_KEYS: readonly CostKey[] = ["F", "I", "W", "FB", "pairShare", "link", "bandwidth", "bytes"];
export const MEMORY_KEYS: readonly MemoryKey[] = ["weights", "activations"];

export const DEFAULT_SETTINGS: StepSettings = {
  schedule: "dualpipe",
  numRanks: 8,
  numMicroBatches: 20,
  stagesPerRank: 1,
  costs: {},
  memory: {},
  links: [],
  whole: false,
  order: "eager",
  stalls: [],
  slowStages: [],
  separatesPairs: false,
};

/** The costs as the text that `dualpipe simulate --cost` takes. */
export function costText({ costs }: StepSettings): string {
  return COST_KEYS.flatMap((key) => (costs[key] === undefined ? [] : [`${key}=${costs[key]}`])).join(",");
}

/** The memory as the text that `dualpipe simulate --memory` takes. */
export function memoryText({ memory }: StepSettings): string {
  return MEMORY_KEYS.flatMap((key) => (memory[key] === undefined ? [] : [`${key}=${memory[key]}`])).join(",");
}

/** Whether the step is disturbed in a way that the command line has no option for. */
export function isDisturbed({ stalls, slowStages, separatesPairs }: StepSettings): boolean {
  return stalls.length > 0 || slowStages.length > 0 || separatesPairs;
}

/** The command that prints what the page shows, where there is one. */
export function commandOf(settings: StepSettings): string | undefined {
  if (settings.program !== undefined || settings.links.length > 0 || isDisturbed(settings)) return undefined;
  const { schedule, numRanks, numMicroBatches, stagesPerRank, whole, order } = settings;
  return [
    `npx dualpipe simulate ${schedule} --ranks ${numRanks} --micro-batches ${numMicroBatches}`,
    stagesPerRank === 1 ? "" : `--stages-per-rank ${stagesPerRank}`,
    costText(settings) === "" ? "" : `--cost ${costText(settings)}`,
    memoryText(settings) === "" ? "" : `--memory ${memoryText(settings)}`,
    whole ? "--whole" : "",
    order === "reference" ? "--order reference" : "",
  ]
    .filter((part) => part !== "")
    .join(" ");
}
