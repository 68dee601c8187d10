import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { InternalError } from "../../src/errors/internal-error.ts";
import type { ProcessPlacement } from "../../src/launch/process-placement.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { runRanks } from "../../src/launch/run-ranks.ts";

type Behaviour = (context: RankContext<LaunchData>) => unknown;

export interface LaunchData {
  /** What each rank does. */
  readonly behaviours: readonly (keyof typeof behaviours)[];
  readonly payload?: unknown;
}

class CodedError extends Error {
  readonly code = "MADE_UP";
}

/** Waits for a message that rank 0 never sends. */
const waitForRank0: Behaviour = ({ processGroup }) => processGroup.receive(0, "control").take();

function takeFromRank0({ runtime, processGroup }: RankContext<LaunchData>, numMessages: number): number[] {
  return Array.from({ length: numMessages }, () =>
    runtime.scope(() => processGroup.receive(0, "activations").take()[0]!.toArray()[0]!),
  );
}

const behaviours = {
  describe: ({ rank, numRanks, processGroup, data, report }) => {
    report(`hello from ${rank}`);
    return { rank, numRanks, size: processGroup.size, payload: data.payload };
  },
  fail: () => {
    throw new CodedError("it broke here");
  },
  failInternally: () => {
    throw new InternalError("a rule of ours");
  },
  crashInternally: () => {
    setImmediate(() => {
      throw new InternalError("a rule of ours");
    });
    return new Promise(() => setInterval(() => {}, 1000));
  },
  startRun: () => runRanks(new URL("./starting-run.ts", import.meta.url), { numRanks: 1 }),
  startRunOfProcesses: () => {
    const processes: ProcessPlacement = {
      process: 0,
      numProcesses: 2,
      ranksPerProcess: 1,
      masterAddress: "127.0.0.1",
      masterPort: 29_500,
      hub: "process 0",
      address: "127.0.0.1",
      secret: undefined,
    };
    return runRanks(new URL("./starting-run.ts", import.meta.url), { numRanks: 2, processes });
  },
  startRunInWorker: async () => {
    const worker = new Worker(new URL("./starting-run.ts", import.meta.url));
    const [error] = (await once(worker, "error")) as [Error];
    throw error;
  },
  failWithoutError: () => Promise.reject("only a text"),
  waitForRank0,
  reportAndWaitForRank0: (context) => {
    context.report("waiting");
    return waitForRank0(context);
  },
  /** Goes on after each error, as a program that means to survive does. */
  waitForRank0Again: (context) => {
    try {
      waitForRank0(context);
    } catch {
      return waitForRank0(context);
    }
    return "unreachable";
  },
  return: ({ rank }) => `rank ${rank} has returned`,
  waitForRank0InSubgroup: ({ processGroup, numRanks }) =>
    processGroup
      .subgroup([numRanks - 1, 0])
      .receive(1, "weights")
      .take(),
  /** Sends rank 1 three messages of a kind that it takes, and one that no rank takes. */
  sendAndReturn: ({ runtime, processGroup }) => {
    for (let i = 0; i < 3; i++) processGroup.send(1, "activations", [runtime.full([100_000], i)]);
    processGroup.send(1, "weights", [runtime.full([100_000], 7)]);
  },
  takeLater: async (context) => {
    await delay(1500);
    return takeFromRank0(context, 3);
  },
  takeOneTooMany: async (context) => {
    await delay(1500);
    return takeFromRank0(context, 4);
  },
  exit: () => process.exit(3),
  crash: () => {
    setImmediate(() => {
      throw new Error("thrown in a callback");
    });
    return new Promise(() => setInterval(() => {}, 1000));
  },
  spin: ({ report }) => {
    report("spinning");
    for (;;);
  },
  returnFunction: () => () => {},
} satisfies Record<string, Behaviour>;

export default function run(context: RankContext<LaunchData>): unknown {
  return behaviours[context.data.behaviours[context.rank]!](context);
}
