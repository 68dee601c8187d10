/**
 * The entry of a rank's worker thread, which run-ranks.ts starts. It opens the rank's process group, imports
 * the rank's program, runs it, and sends its result or its error to the main thread as data: an Error that
 * crosses a thread loses its class, code and fields.
 *
 * A rank that fails ends the waits of all others before it ends itself, and tells them why; so no rank learns
 * of a failure by a timeout. A rank that was itself stopped (ABORTED) does not, or its error would replace the
 * cause.
 */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { DualPipeError, problemOf } from "../errors/dualpipe-error.ts";
import type { Device } from "../tensor/device.ts";
import { Runtime } from "../tensor/runtime.ts";
import { seedFor } from "../tensor/seed.ts";
import { InProcessGroup } from "../transport/in-process/in-process-group.ts";
import { BridgedGroup } from "../transport/processes/bridged-group.ts";
import { abortProcesses, type ProcessLayout } from "../transport/processes/connect-processes.ts";
import { type RankRange, ReturnedRanks, type SentCount } from "../transport/returned-ranks.ts";
import { TransportError } from "../transport/transport-error.ts";
import { markAsRank } from "./inside-rank.ts";
import { LaunchError } from "./launch-error.ts";
import type { RankContext, RankProgram } from "./rank-context.ts";
import type { RankWait } from "./rank-error.ts";

export interface RankThreadData {
  /** The program's URL. */
  readonly program: string;
  readonly groupName: string;
  readonly rank: number;
  /** The rank among those of its host. */
  readonly localRank: number;
  readonly numRanks: number;
  readonly data: unknown;
  /** The seed of the run: each rank seeds its generator with it and its rank. */
  readonly seed: number;
  readonly timeoutMs: number | undefined;
  readonly device: Device["kind"];
  /** Shared by all ranks of the process. */
  readonly returned: { readonly ranks: RankRange; readonly memory: SharedArrayBuffer };
  /** In a run of several processes: the name of the connections to the others, and this one's place. */
  readonly processes: { readonly bridge: string; readonly layout: ProcessLayout } | undefined;
}

/** The parts of an error that cross to the main thread. */
interface RankFailure {
  readonly code: string;
  readonly problem: string;
  readonly stack: string | undefined;
  readonly wait: RankWait | undefined;
}

export type RankMessage =
  | { readonly kind: "report"; readonly value: unknown }
  | { readonly kind: "result"; readonly value: unknown; readonly sent: readonly SentCount[] }
  | ({ readonly kind: "error" } & RankFailure);

/** Not a dependency, and perhaps not installed; the type `string` keeps the compiler from resolving it. */
const TSX: string = "tsx/esm/api";

async function main(threadData: RankThreadData): Promise<void> {
  const { program, groupName, rank, localRank, numRanks, data, seed, processes } = threadData;
  markAsRank(rank);
  const send = (message: RankMessage, transfer?: readonly ArrayBuffer[]): void =>
    parentPort!.postMessage(message, transfer);
  const runtime = Runtime.load({ device: threadData.device, localRank });
  runtime.seed(seedFor(seed, `rank ${rank}`));
  let group: InProcessGroup | BridgedGroup | undefined;
  const returned = new ReturnedRanks(threadData.returned.ranks, threadData.returned.memory);
  let well = false;
  try {
    group = openGroup(runtime, threadData, returned);
    const { default: run } = await importProgram(program);
    if (typeof run !== "function")
      throw new LaunchError(
        "INVALID_RANK_PROGRAM",
        `a rank's program must be the default export of its module; ${program} has no function there; write: export default function (context) { ... }`,
      );
    const report: RankContext["report"] = (value, transfer) => send({ kind: "report", value }, transfer);
    const context = { rank, numRanks, runtime, processGroup: group, data, report };
    const value = await run(context);
    send({ kind: "result", value, sent: group instanceof BridgedGroup ? group.sent : [] });
    returned.add(rank);
    well = true;
  } catch (thrown) {
    const failure = failureOf(rank, thrown);
    send({ kind: "error", ...failure });
    if (failure.code !== "ABORTED") {
      const reason = `rank ${rank} failed: ${problemOf(thrown)}`;
      if (processes === undefined) runtime.addon.mailbox.close(groupName, reason);
      else abortProcesses(runtime.addon, processes.bridge, reason);
    }
  } finally {
    if (group instanceof BridgedGroup) group.leave({ well });
  }
}

function failureOf(rank: number, thrown: unknown): RankFailure {
  const { code = "RANK_FAILED", stack } = (thrown ?? {}) as { code?: unknown; stack?: string };
  const problem = problemOf(thrown);
  return {
    code: String(code),
    // Our own errors say where they happened; others get at least the rank.
    problem: thrown instanceof DualPipeError ? problem : `rank ${rank} failed: ${problem}`,
    stack,
    wait: thrown instanceof TransportError ? waitOf(thrown) : undefined,
  };
}

function waitOf({ peer, kind, waitedMs, action }: TransportError): RankWait | undefined {
  if (peer === undefined || kind === undefined || waitedMs === undefined) return undefined;
  return { peer, kind, waitedMs, action };
}

function openGroup(
  runtime: Runtime,
  threadData: RankThreadData,
  returned: ReturnedRanks,
): InProcessGroup | BridgedGroup {
  const { groupName, rank, numRanks, timeoutMs, processes } = threadData;
  return processes === undefined
    ? new InProcessGroup(runtime, { name: groupName, rank, size: numRanks, timeoutMs, returned })
    : new BridgedGroup(runtime, { ...processes, rank, timeoutMs, returned });
}

/** The tsx that started the process, which `npx tsx` keeps outside of the project. */
function starterOf(execArgv: readonly string[]): string {
  const loader = execArgv.find((option) => option.startsWith("file:") && option.includes("/tsx/")) ?? "";
  // Resolved as for `require`; the module next to it is the one for `import`.
  return pathToFileURL(
    createRequire(loader)
      .resolve(TSX)
      .replace(/\.cjs$/, ".mjs"),
  ).href;
}

async function importProgram(program: string): Promise<{ default?: RankProgram }> {
  if (/\.[cm]?tsx?$/.test(program) && !("typescript" in process.features && process.features.typescript)) {
    // Before 22.18, Node imports TypeScript only through tsx, which registers itself in the main thread alone.
    const tsx = (await import(TSX)
      .catch(() => import(starterOf(process.execArgv)))
      .catch((cause: unknown) => {
        throw new LaunchError(
          "INVALID_RANK_PROGRAM",
          `this Node (${process.version}) cannot import TypeScript, such as ${program}; compile the program, install tsx, or use Node 22.18 or later`,
          { cause },
        );
      })) as { register(): void };
    tsx.register();
  }
  return (await import(program)) as { default?: RankProgram };
}

await main(workerData as RankThreadData);
