import type { RankContext } from "../../src/launch/rank-context.ts";

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

const behaviours = {
  describe: ({ rank, numRanks, processGroup, data, report }) => {
    report(`hello from ${rank}`);
    return { rank, numRanks, size: processGroup.size, payload: data.payload };
  },
  fail: () => {
    throw new CodedError("it broke here");
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
