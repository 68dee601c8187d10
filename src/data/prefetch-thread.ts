/** The entry of the thread that a `Prefetcher` starts: answers requests, in order, until the port is closed. */
import { workerData } from "node:worker_threads";
import { DualPipeError, problemOf } from "../errors/dualpipe-error.ts";
import type { DataSet, DataSetOrigin } from "./data-set.ts";
import { Images } from "./image-folder.ts";
import type { PrefetchAnswer, PrefetchData, PrefetchRequest } from "./prefetcher.ts";
import { Table } from "./table.ts";

function dataSetOf(origin: DataSetOrigin): DataSet {
  return origin.kind === "table" ? new Table(origin.numRows, origin.columns) : new Images(origin);
}

function answerTo(set: DataSet, { id, toRead }: PrefetchRequest): PrefetchAnswer {
  try {
    return { id, arrays: toRead.map(({ column, rows }) => set.read(column, rows)) };
  } catch (error) {
    const { name, code } =
      error instanceof DualPipeError ? error : { name: "DataSetError", code: "PREFETCH_FAILED" };
    return { id, error: { name, code, problem: problemOf(error) } };
  }
}

const { origin, port, count } = workerData as PrefetchData;
const set = dataSetOf(origin);
const counter = new Int32Array(count);
port.on("message", (request: PrefetchRequest) => {
  const answer = answerTo(set, request);
  const memory = "arrays" in answer ? answer.arrays.map(({ buffer }) => buffer as ArrayBuffer) : [];
  port.postMessage(answer, memory);
  Atomics.add(counter, 0, 1);
  Atomics.notify(counter, 0);
});
