import type { ConnectedProcesses } from "../launch/connected-processes.ts";
import type { ProcessPlacement } from "../launch/process-placement.ts";
import { PartWriter } from "./checkpoint/part-writer.ts";
import { CheckpointRequests } from "./checkpoint/requests.ts";
import { CheckpointStore } from "./checkpoint/store.ts";
import type { TrainConfig } from "./config/config.ts";
import { meetForTraining, type TrainMessage } from "./process-messages.ts";
import { runTrainRanksOf } from "./rank/start-ranks.ts";

/**
 * The part of a process other than process 0, which has the data and decides: this one runs its ranks, and writes their
 * parts of checkpoints into `output.dir`, which must be the same folder on all hosts.
 */
export class JoinedTraining {
  readonly #config: TrainConfig;
  readonly #placement: ProcessPlacement;
  #met: ConnectedProcesses | undefined;

  constructor(config: TrainConfig, placement: ProcessPlacement) {
    this.#config = config;
    this.#placement = placement;
  }

  /** Asks process 0 for a checkpoint after which all end. @returns Whether it can be asked. */
  requestStop(): boolean {
    this.#tell({ kind: "request", request: "stop" });
    return this.#met !== undefined;
  }

  /** @throws LaunchError, RankError */
  async run(signal: AbortSignal): Promise<void> {
    const met = await meetForTraining(this.#config, this.#placement, signal);
    this.#met = met;
    const requests = new CheckpointRequests();
    met.onMessage((_from, message) => {
      if ((message as TrainMessage).kind === "checkpointDone") requests.written();
    });
    const parts = new PartWriter({
      store: new CheckpointStore(this.#config.output.dir),
      numRanks: met.layout.ranksPerProcess,
      onWritten: (step, outcome) => this.#tell({ kind: "parts", step, outcome }),
    });
    let well = false;
    try {
      const data = { config: this.#config, requests: requests.memory, layout: met.layout, shared: undefined };
      await runTrainRanksOf(met, data, {
        signal,
        onReport: (rank, report) => {
          if (report.kind === "checkpoint") parts.add(rank, report.step, report.tensors);
        },
      });
      await parts.finish();
      well = true;
    } finally {
      this.#met = undefined;
      await met.leave({ well });
    }
  }

  #tell(message: TrainMessage): void {
    this.#met?.send(0, message);
  }
}
