// One of two processes that use the native layer in every way, and exit while messages are left in mailboxes. What is
// wrong with the memory of the addon shows here, at the latest in the destructors at the end.
import { add, InProcessGroup, operator, Runtime, runRanks } from "dualpipe";

const [process0, masterPort] = process.argv.slice(2, 4).map(Number);
const network = process.argv[4];
const runtime = Runtime.load();
const { addon } = runtime;

/** The reason why it fails. */
function failure(body) {
  try {
    body();
  } catch (error) {
    return error.message;
  }
  throw new Error("it did not fail");
}

runtime.scope(() => {
  const x = runtime.tensor([
    [1, 2],
    [3, 4],
  ]);
  const index = runtime.tensor([1], undefined, "int64");
  add(x, 1).toArray();
  runtime.call(operator("aten::index", "Tensor"), x, [null, index]).toArray();
  runtime.callMany(operator("aten::split", "Tensor"), x, 1, 0);
  runtime.callMany(operator("aten::native_layer_norm"), x, [2], null, null, 1e-5);
  runtime.readBytesInto(x, new Uint8Array(x.numBytes));
  runtime.fromArray(new Float32Array([5, 6]).subarray(1), [1], "float32").item();
  runtime.empty([0, 3]).toArray();
  const state = runtime.randomState();
  runtime.randn([10]);
  runtime.setRandomState(state);
  const messages = [
    failure(() => runtime.call(operator("aten::mm"), x, runtime.ones([3, 3]))),
    failure(() => runtime.call(operator("aten::mm"), x)),
    failure(() => runtime.call(operator("mm"), x, x)),
    failure(() => runtime.fromArray(new Uint8Array(3), [1], "float32")),
    failure(() => addon.shape(2 ** 19)),
  ];
  if (messages.some((message) => message === "")) throw new Error("a failure has no reason");
  // Left in a mailbox of this thread, in a group that is aborted, and in one that is not.
  for (const name of ["aborted", "left"]) {
    const group = new InProcessGroup(runtime, { name, rank: 0, size: 2, timeoutMs: 10 });
    group.send(1, "activations", [x, null]);
    failure(() => group.receive(1, "activations").take());
    if (name === "aborted") group.abort("for a test");
  }
});
runtime.device.releaseCache();

await runRanks(new URL("./exiting-rank.mjs", import.meta.url), {
  numRanks: 4,
  heartbeatTimeoutMs: 300_000,
  processes: {
    process: process0,
    numProcesses: 2,
    ranksPerProcess: 2,
    masterAddress: "127.0.0.1",
    masterPort,
    hub: "process 0",
    address: "127.0.0.1",
    secret: undefined,
    network,
  },
});
console.log("done");
