// The whole library on one page. Every other test looks at one of these things closely.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as dp from "dualpipe";
import * as schedule from "dualpipe/schedule";
import { describe, expect, test } from "vitest";

const runtime = dp.Runtime.load();

describe("tensors", () => {
  test("a tensor has elements, a shape and a dtype", () => {
    runtime.scope(() => {
      const x = runtime.tensor([1, 2, 3, 4], [2, 2]);
      expect([x.shape, x.dtype]).toEqual([[2, 2], "float32"]);
      expect(dp.matmul(x, x).toArray()).toEqual([7, 10, 15, 22]);
    });
  });

  test("any operator of LibTorch can be called by its name", () => {
    runtime.scope(() => {
      const sort = dp.operator("aten::sort");
      const [values, indices] = runtime.callMany(sort, runtime.tensor([3, 1, 2], [3]), 0, false);
      expect([values?.toArray(), indices?.toArray()]).toEqual([
        [1, 2, 3],
        [1, 2, 0],
      ]);
    });
  });

  test("a scope frees what it does not return", () => {
    runtime.scope(() => {
      const [kept, freed] = runtime.scope(() => {
        const x = runtime.ones([2]);
        return [dp.add(x, x), () => x];
      });
      expect(kept.toArray()).toEqual([2, 2]);
      expect(() => freed().toArray()).toThrow(dp.TensorDisposedError);
    });
  });
});

describe("training", () => {
  test("a backward leaves gradients at the parameters", () => {
    using x = new dp.Parameter(runtime.tensor([3, 4], [2]));
    runtime.scope(() => dp.backward(dp.sum(dp.mul(x, x))));
    expect(x.grad?.toArray()).toEqual([6, 8]);
  });

  test("an operator of your own brings its gradient rule", () => {
    const cube = (x: dp.Tensor) => {
      const square = dp.noGrad(runtime, () => dp.mul(x, x));
      const output = dp.noGrad(runtime, () => dp.mul(square, x));
      // The input needs the square for its gradient: 3 x^2.
      dp.record("cube", [x], [output], [[square, 0]], (node) => [
        dp.mul(dp.mul(node.gradient, node.saved(0)), runtime.full([], 3)),
      ]);
      return output;
    };
    using x = new dp.Parameter(runtime.tensor([2], [1]));
    runtime.scope(() => dp.backward(dp.sum(cube(x))));
    expect(x.grad?.toArray()).toEqual([12]);
  });

  test("a module learns with an optimizer", () => {
    const layers = [new dp.Linear(runtime, 1, 16), new dp.GELU(runtime), new dp.Linear(runtime, 16, 1)];
    const model = dp.withSeed(runtime, 0, () => new dp.Sequential(runtime, ...layers));
    const optimizer = new dp.AdamW(model.namedParameters(), { learningRate: 0.02 });
    const losses = Array.from({ length: 100 }, () =>
      runtime.scope(() => {
        const x = runtime.tensor([-1, -0.5, 0.5, 1], [4, 1]);
        const loss = dp.mseLoss(model.call(x), dp.mul(x, x));
        dp.backward(loss);
        optimizer.step();
        optimizer.zeroGrad();
        return loss.item();
      }),
    );
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 10);
  });

  test("DualPipe trains on two ranks", async () => {
    const program = new URL("./tiny-rank.ts", import.meta.url);
    const results = await dp.runRanks<number[]>(program, { numRanks: 2, data: { numSteps: 20 } });
    for (const losses of results) expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
  });

  test("weights are written as safetensors", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tiny-"));
    const path = join(folder, "weights.safetensors");
    const data = new Uint8Array(Float32Array.of(1, 2).buffer);
    await dp.writeSafetensors(path, [{ name: "w", dtype: "F32", shape: [2], data }], { format: "pt" });
    const { tensors } = await dp.readSafetensors(path);
    rmSync(folder, { recursive: true });
    expect(tensors).toMatchObject([{ name: "w", shape: [2], data }]);
  });
});

describe("schedules", () => {
  const program = schedule.buildProgram("dualpipe", { numRanks: 2, numMicroBatches: 4 });

  test("a schedule is a list of actions per rank", () => {
    expect([...program.ranks[0]!].map(schedule.formatAction).join(" ")).toBe(
      "0F0 1F2 0F1 1B2 (1F3;0B0)OVERLAP_F_B 1B3 0I1 0W1",
    );
  });

  test("with its communication added it can be verified, simulated and drawn", () => {
    const lowered = schedule.lower(program);
    expect(schedule.verify(lowered).problems).toEqual([]);
    const { makespan, bubbleRatio, timeline } = schedule.simulate(lowered, schedule.UNIT_COST);
    expect([makespan, bubbleRatio]).toEqual([12, 0]);
    expect(schedule.timelineSvg(timeline)).toContain("<svg");
  });

  test("a deadlock is found before anything runs", () => {
    // Rank 0 sends its output only after the backward that depends on it.
    const rank0 = "0F0,0RECV_B0,0B0,0SEND_F0";
    const rank1 = "1RECV_F0,1F0,1B0,1SEND_B0";
    const { problems } = schedule.verify(schedule.parseProgramCsv(`${rank0}\n${rank1}\n`));
    expect(problems.map(({ code }) => code)).toEqual(["deadlock"]);
  });
});
