/**
 * `npm run bench -- nodes [PYTHON] [ROUNDS]`: what a node of the graph costs, forward and backward, on tensors so small
 * that the kernels take next to nothing: operations with a rule of our own, the same by LibTorch's autograd (a recorded
 * call), and PyTorch's. All are measured in turn, round after round, so that a machine that slows down slows all of
 * them.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  Backward,
  conv,
  differentiable,
  linear,
  markInput,
  neg,
  Parameter,
  rootOf,
  sin,
} from "../src/autograd/index.ts";
import { operator } from "../src/tensor/native-operator.ts";
import { Runtime } from "../src/tensor/runtime.ts";
import { finish } from "../src/tensor/suspension.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

/** One operation, as a chain of nodes. */
interface Chain {
  readonly name: string;
  readonly shape: readonly number[];
  readonly node: (x: Tensor) => Tensor;
  /** PyTorch's operation of the same kind. */
  readonly torch: string;
}

interface Times {
  readonly forwardNs: number;
  readonly backwardNs: number;
}

const NEG = operator("aten::neg");
const LINEAR = operator("aten::linear");
const EYE = operator("aten::eye");
/** The same as in nodes_torch.py. */
const NUM_NODES = 2000;
/** Rounds in which the compiler learns. */
const NUM_WARM_UP_ROUNDS = 5;

export async function main([python = "/usr/bin/python3", rounds = "30"]: readonly string[]): Promise<number> {
  const numRounds = Number(rounds);
  const runtime = Runtime.load();
  const eye = new Parameter(runtime.scope(() => runtime.call(EYE, 4)));
  const kernel = new Parameter(runtime.scope(() => runtime.randn([4, 4, 3, 3])));
  const matrix = [4, 4];
  const chains: Chain[] = [
    { name: "neg, own rule", shape: matrix, node: neg, torch: "neg" },
    { name: "linear [4, 4], own rule", shape: matrix, node: (x) => linear(x, eye), torch: "linear" },
    { name: "neg, recorded", shape: matrix, node: (x) => differentiable(NEG, x), torch: "neg" },
    { name: "sin, recorded", shape: matrix, node: sin, torch: "sin" },
    {
      name: "linear [4, 4], recorded",
      shape: matrix,
      node: (x) => differentiable(LINEAR, x, eye),
      torch: "linear",
    },
    {
      name: "conv2d 3 x 3 of [1, 4, 4, 4], recorded",
      shape: [1, 4, 4, 4],
      node: (x) => conv(x, kernel, null, { padding: 1 }),
      torch: "conv2d",
    },
  ];
  const pytorch = await PyTorch.start(python);
  const ours = chains.map((): Times[] => []);
  const theirs = chains.map((): Times[] => []);
  for (let round = 0; round < NUM_WARM_UP_ROUNDS + numRounds; round++)
    for (const [i, chain] of chains.entries()) {
      const [our, their] = [measure(runtime, chain), await pytorch?.measure(chain.torch)];
      if (round < NUM_WARM_UP_ROUNDS) continue;
      ours[i]!.push(our);
      if (their) theirs[i]!.push(their);
    }
  pytorch?.end();
  for (const parameter of [eye, kernel]) parameter.dispose();
  report(runtime, pytorch, chains, ours, theirs);
  return 0;
}

function measure(runtime: Runtime, { shape, node }: Chain): Times {
  return runtime.scope(() => {
    const x = runtime.ones(shape);
    const leaf = markInput(x, true)!;
    const gradient = runtime.ones(shape);
    const start = process.hrtime.bigint();
    const y = runtime.scope(() => {
      let h = x;
      for (let i = 0; i < NUM_NODES; i++) h = node(h);
      return h;
    });
    const middle = process.hrtime.bigint();
    const walk = new Backward([rootOf(y)!]);
    finish(walk.backward([gradient]));
    walk.end();
    const end = process.hrtime.bigint();
    leaf.grad?.dispose();
    return { forwardNs: Number(middle - start) / NUM_NODES, backwardNs: Number(end - middle) / NUM_NODES };
  });
}

/** A Python with PyTorch that measures one chain for each request. */
class PyTorch {
  readonly version: string;
  readonly #ask: (name: string) => Promise<Times>;
  readonly end: () => void;

  private constructor(version: string, ask: (name: string) => Promise<Times>, end: () => void) {
    this.version = version;
    this.#ask = ask;
    this.end = end;
  }

  /** Undefined when this Python has no PyTorch. */
  static async start(python: string): Promise<PyTorch | undefined> {
    // Relative to build/bench, where this file runs as JavaScript.
    const driver = fileURLToPath(new URL("../../bench/nodes_torch.py", import.meta.url));
    const env = { ...process.env, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" };
    const child = spawn(python, [driver], { stdio: ["pipe", "pipe", "ignore"], env });
    child.once("error", () => undefined);
    child.stdin.once("error", () => undefined);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.done) return undefined;
    const ask = async (name: string): Promise<Times> => {
      child.stdin.write(`${name}\n`);
      const line = await lines.next();
      if (line.done) throw new Error("dualpipe: the Python that measures PyTorch ended");
      return JSON.parse(line.value);
    };
    return new PyTorch(JSON.parse(first.value).version, ask, () => child.stdin.end());
  }

  measure(name: string): Promise<Times> {
    return this.#ask(name);
  }
}

function report(
  runtime: Runtime,
  pytorch: PyTorch | undefined,
  chains: readonly Chain[],
  ours: readonly (readonly Times[])[],
  theirs: readonly (readonly Times[])[],
): void {
  const versions = `LibTorch ${runtime.addon.libtorchVersion}, Node ${process.versions.node}`;
  const reference = pytorch
    ? `PyTorch ${pytorch.version}`
    : "without PyTorch; name a Python that has it: npm run bench -- nodes PYTHON";
  console.log(
    `${versions}, ${reference}; medians of ${ours[0]!.length} rounds, the least in parentheses, in ns per node\n`,
  );
  console.log("| node | forward | PyTorch | backward | PyTorch |\n| --- | --- | --- | --- | --- |");
  chains.forEach(({ name }, i) => {
    const cells = [
      summary(ours[i]!, "forwardNs"),
      summary(theirs[i]!, "forwardNs"),
      summary(ours[i]!, "backwardNs"),
      summary(theirs[i]!, "backwardNs"),
    ];
    console.log(`| ${[name, ...cells].join(" | ")} |`);
  });
}

function summary(times: readonly Times[], which: keyof Times): string {
  if (times.length === 0) return "-";
  const sorted = times.map((each) => each[which]).sort((a, b) => a - b);
  return `${sorted[Math.floor(sorted.length / 2)]!.toFixed(0)} (${sorted[0]!.toFixed(0)})`;
}
