// The entry of a rank's worker thread; started by threads.ts.
import { parentPort, workerData } from "node:worker_threads";
import { Runtime } from "../tensor/runtime.ts";
import { abortProcesses, type ProcessLayout } from "../transport/gloo/connect-processes.ts";
import { GlooGroup } from "../transport/gloo/gloo-group.ts";
import { InProcessGroup } from "../transport/in-process/in-process-group.ts";
import type { RankContext, RankProgram } from "./rank-context.ts";

export interface RankThreadData {
  /** The program's URL. */
  readonly program: string;
  readonly groupName: string;
  readonly rank: number;
  readonly numRanks: number;
  readonly data: unknown;
  readonly timeoutMs: number | undefined;
  /** Of a run with other processes: the connections to them, by name. */
  readonly processes: { readonly bridge: string; readonly layout: ProcessLayout } | undefined;
}

export type RankMessage =
  | { readonly kind: "report"; readonly value: unknown }
  | { readonly kind: "result"; readonly value: unknown }
  | {
      readonly kind: "error";
      readonly code: string;
      readonly message: string;
      readonly stack: string | undefined;
    };

/** Not a dependency: looked for where the user has it. */
const TSX: string = "tsx/esm/api";

async function main(threadData: RankThreadData): Promise<void> {
  const { program, groupName, rank, numRanks, data, processes } = threadData;
  const send = (message: RankMessage, transfer?: readonly ArrayBuffer[]): void =>
    parentPort!.postMessage(message, transfer);
  const runtime = Runtime.load();
  let group: InProcessGroup | GlooGroup | undefined;
  let well = false;
  try {
    group = openGroup(runtime, threadData);
    const { default: run } = await importProgram(program);
    if (typeof run !== "function")
      throw new TypeError(`dualpipe: ${program} has no default export; export the rank's program as default`);
    const report: RankContext["report"] = (value, transfer) => send({ kind: "report", value }, transfer);
    const context = { rank, numRanks, runtime, processGroup: group, data, report };
    send({ kind: "result", value: await run(context) });
    well = true;
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const code = String((error as { code?: unknown }).code ?? "RANK_FAILED");
    send({ kind: "error", code, message: error.message, stack: error.stack });
    if (code !== "ABORTED") {
      const reason = `rank ${rank} failed: ${error.message.replace(/^dualpipe: /, "")}`;
      if (processes === undefined) runtime.addon.mailbox.close(groupName, reason);
      else abortProcesses(runtime.addon, processes.bridge, reason);
    }
  } finally {
    if (group instanceof GlooGroup) group.leave({ well });
  }
}

function openGroup(runtime: Runtime, threadData: RankThreadData): InProcessGroup | GlooGroup {
  const { groupName, rank, numRanks, timeoutMs, processes } = threadData;
  return processes === undefined
    ? new InProcessGroup(runtime, { name: groupName, rank, size: numRanks, timeoutMs })
    : new GlooGroup(runtime, { ...processes, rank, timeoutMs });
}

async function importProgram(program: string): Promise<{ default?: RankProgram }> {
  if (/\.[cm]?tsx?$/.test(program) && !("typescript" in process.features && process.features.typescript)) {
    // Node before 22.18 imports TypeScript only through tsx, which registers itself in the main thread alone.
    const tsx = (await import(TSX).catch((cause: unknown) => {
      throw new Error(`dualpipe: this Node cannot import ${program}; compile it, or install tsx`, { cause });
    })) as { register(): void };
    tsx.register();
  }
  return (await import(program)) as { default?: RankProgram };
}

await main(workerData as RankThreadData);
