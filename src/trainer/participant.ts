import type { ConnectedProcesses } from "../launch/connected-processes.ts";
import type { ProcessPlacement } from "../launch/process-placement.ts";
import { checkFolder } from "./check-folder.ts";
import { PartWriter } from "./checkpoint/part-writer.ts";
import { CheckpointRequests } from "./checkpoint/requests.ts";
import { CheckpointStore } from "./checkpoint/store.ts";
import type { TrainConfig } from "./config/config.ts";
import { isProcessMessage, type ProcessMessage } from "./process-messages.ts";
import { trainOnRanks } from "./rank/rank-threads.ts";
import { connectForRun } from "./rendezvous.ts";
import { tellHealth } from "./report/process-health.ts";

/**
 * A process of a training run other than process 0, whose coordinator has the data and decides. This one runs its ranks
 * and writes their parts of checkpoints into `output.dir`, which must be the same folder on all hosts.
 */
export class Participant {
  readonly #config: TrainConfig;
  readonly #placement: ProcessPlacement;
  #processes: ConnectedProcesses | undefined;

  constructor(config: TrainConfig, placement: ProcessPlacement) {
    this.#config = config;
    this.#placement = placement;
  }

  /** Asks the coordinator for a checkpoint after which the run ends. @returns Whether it could be asked. */
  requestStop(): boolean {
    this.#tell({ kind: "request", request: "stop" });
    return this.#processes !== undefined;
  }

  /** @throws FolderError, LaunchError, RankError */
  async run(signal: AbortSignal): Promise<void> {
    await checkFolder("output.dir", this.#config.output.dir);
    const processes = await connectForRun(this.#config, this.#placement, signal);
    this.#processes = processes;
    const { layout } = processes;
    const requests = new CheckpointRequests();
    processes.onMessage(isProcessMessage, (from, message) => {
      if (from === 0 && message.kind === "checkpointDone") requests.written();
    });
    const parts = new PartWriter({
      store: new CheckpointStore(this.#config.output.dir),
      numRanks: layout.ranksPerProcess,
      onWritten: (step, outcome) => this.#tell({ kind: "parts", step, outcome }),
    });
    using _health = tellHealth((health) => this.#tell({ kind: "health", ...health }));
    let well = false;
    try {
      const data = { config: this.#config, requests: requests.memory, layout, shared: undefined };
      await trainOnRanks(data, {
        signal,
        processes,
        onReport: (rank, report) => {
          if (report.kind === "checkpoint") parts.add(rank, report.step, report.tensors);
        },
      });
      await parts.finish();
      well = true;
    } finally {
      this.#processes = undefined;
      await processes.leave({ well });
    }
  }

  #tell(message: ProcessMessage): void {
    this.#processes?.send(0, message);
  }
}
