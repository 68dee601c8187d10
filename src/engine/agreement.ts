// What all ranks of a pipeline must agree about, as the labels of their messages say it.
import type { Program } from "../schedule/program/program.ts";
import type { ProcessGroup, Receipt } from "../transport/process-group.ts";
import { during } from "../transport/transport-error.ts";
import type { PipelineOptions } from "./pipeline-options.ts";

/** Each rank tells the next what it has constructed: when all neighbours agree, all ranks do. */
export class Agreement {
  #receipt: Receipt | undefined;

  /** @param options What this rank has constructed. */
  constructor(group: ProcessGroup, options: PipelineOptions, numStages: number) {
    const { rank, size } = group;
    if (size === 1) return;
    const pipeline = describePipeline(options, numStages);
    group.send((rank + 1) % size, "control", [], pipeline);
    this.#receipt = group.receive((rank + size - 1) % size, "control", pipeline);
  }

  /** Waits for the neighbour, at the first call. @throws TransportError MISMATCHED_MESSAGE when it has another one */
  wait(): void {
    const receipt = this.#receipt;
    this.#receipt = undefined;
    if (receipt) during("the comparison of the ranks' pipelines", () => receipt.take());
  }
}

/** What all ranks of a step must agree about, as its messages say it. */
export function describeStep(
  number: number,
  training: boolean,
  { schedule, numStages, numMicroBatches }: Program,
): string {
  return `step ${number} (${training ? "training" : "forward only"}, ${schedule}, ${numStages} stages, ${numMicroBatches} micro-batches)`;
}

/** What all ranks of a pipeline must agree about when they construct it. */
function describePipeline(
  { schedule, numReplicas = 1, shardUpdates = false, rankMapping, useGraphs = false }: PipelineOptions,
  numStages: number,
): string {
  const name =
    typeof schedule === "string"
      ? schedule
      : `${schedule.schedule} (a program with the checksum ${checksumOf(schedule)})`;
  const mapping = rankMapping === undefined ? "" : `, rankMapping [${rankMapping}]`;
  const graphs = useGraphs ? ", useGraphs" : "";
  return `a pipeline of ${name}, ${numStages} stages, numReplicas ${numReplicas}, shardUpdates ${shardUpdates}${mapping}${graphs}`;
}

/** FNV-1a: equal programs have equal checksums, and others hardly ever. */
function checksumOf({ ranks }: Program): string {
  let hash = 0x811c9dc5;
  for (const character of Buffer.from(JSON.stringify(ranks))) hash = Math.imul(hash ^ character, 0x01000193);
  return (hash >>> 0).toString(16);
}
