/**
 * How many processes a host gets, where `--nproc-per-node` says it in torchrun's words: `gpu` for one process per card,
 * `cpu` for one per core, and `auto` for the first where there are cards. Kubeflow's PyTorchJob says `auto` unless its
 * spec says something else.
 *
 * A script gets what torchrun would give it. A config has its own number of ranks, which are threads, and which compute
 * on cards only within one process; so it gets one process, whatever the host has.
 */
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { InvalidArgumentError } from "commander";
import { inheritedEnvironment } from "../errors/environment.ts";
import { UsageError } from "./usage.ts";

const WORDS = ["auto", "gpu", "cpu"] as const;

export type ProcessCount = number | (typeof WORDS)[number];

/** NVIDIA's driver lists its cards here. */
const CARDS_FOLDER = "/proc/driver/nvidia/gpus";

/** Reads the value of the option for commander. */
export function processCount(text: string): ProcessCount {
  const word = WORDS.find((each) => each === text);
  if (word !== undefined) return word;
  if (/^\d+$/.test(text) && Number(text) >= 1) return Number(text);
  throw new InvalidArgumentError(`It must be a whole number of at least 1, or ${WORDS.join(", ")}.`);
}

/** @throws UsageError for a script that shall have a process per card, where there is none */
export function numProcessesFor(count: ProcessCount, isConfig: boolean): number {
  if (typeof count === "number") return count;
  if (isConfig) return 1;
  const numCards = count === "cpu" ? 0 : countCards();
  if (count === "gpu" && numCards === 0)
    throw new UsageError(
      "--nproc-per-node gpu needs a card; this host has none; use auto, cpu or a number of processes",
    );
  return numCards || availableParallelism();
}

function countCards(): number {
  // Here an empty variable means something: no card is visible.
  const visible = inheritedEnvironment().CUDA_VISIBLE_DEVICES;
  const numVisible = visible?.split(",").filter((card) => card.trim() !== "" && card.trim() !== "-1").length;
  try {
    return Math.min(readdirSync(CARDS_FOLDER).length, numVisible ?? Number.POSITIVE_INFINITY);
  } catch {
    return 0;
  }
}
