// 280 plans, each checked against exact simulation: `npm run bench -- plans [NUMBER OF PLANS]`.
import {
  findSchedule,
  lower,
  type ModelShape,
  type PlannedRun,
  type PlanRequest,
  parseModelConfig,
  plan,
  plannedStep,
  simulate,
} from "../src/schedule/index.ts";

/** Hidden size, layers, heads, key and value heads, MLP size and vocabulary. */
const MODELS: Readonly<Record<string, readonly [number, number, number, number, number, number]>> = {
  "GPT-2 XL": [1600, 48, 25, 25, 6400, 50257],
  "Qwen2 0.5B": [896, 24, 14, 2, 4864, 151936],
  "Llama 3 8B": [4096, 32, 32, 8, 14336, 128256],
  "Llama 2 13B": [5120, 40, 40, 40, 13824, 32000],
  "Llama 3 70B": [8192, 80, 64, 8, 28672, 128256],
};
const DEVICES = [4, 8, 16, 32];
const STEPS = [
  [32, 1024],
  [64, 2048],
  [64, 4096],
  [128, 4096],
  [256, 4096],
  [512, 2048],
  [96, 8192],
] as const;
/** Bytes per second of a link: a network and NVLink. */
const BANDWIDTHS = [5e9, 200e9];

/** Runs this much slower than the best are not simulated; their figures come from the same function. */
const SIMULATED_WITHIN = 1.02;

function modelOf([
  hidden,
  layers,
  heads,
  keyValueHeads,
  mlp,
  vocabulary,
]: (typeof MODELS)[string]): ModelShape {
  return parseModelConfig(
    JSON.stringify({
      model_type: "llama",
      hidden_size: hidden,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: keyValueHeads,
      intermediate_size: mlp,
      vocab_size: vocabulary,
    }),
  );
}

function* requests(): Generator<PlanRequest> {
  for (const sizes of Object.values(MODELS))
    for (const numDevices of DEVICES)
      for (const [globalBatch, sequenceLength] of STEPS)
        for (const bandwidth of BANDWIDTHS)
          yield {
            model: modelOf(sizes),
            sequenceLength,
            globalBatch,
            numDevices,
            device: {
              peakFlops: 989e12,
              efficiency: 0.5,
              memoryBytes: 80e9,
              link: { latency: 1e-5, bandwidth },
              allReduceBandwidth: 50e9,
            },
          };
}

/** The step of a named schedule by simulating all of it. */
function exactSeconds(request: PlanRequest, run: PlannedRun): number {
  const program = lower(findSchedule(run.schedule).generate(run));
  return simulate(program, plannedStep(request, run).cost).makespan + run.allReduceSeconds;
}

export async function main([count = "280"]: readonly string[]): Promise<number> {
  const found = { plans: 0, empty: 0, bubbles: 0, mfus: 0, simulated: 0, losers: 0, error: 0 };
  const seconds: number[] = [];
  for (const request of [...requests()].slice(0, Number(count))) {
    const start = performance.now();
    const { best, candidates } = plan(request);
    seconds.push((performance.now() - start) / 1000);
    found.plans++;
    const [winner] = best;
    if (winner === undefined) {
      found.empty++;
      continue;
    }
    found.bubbles += candidates.filter(({ bubbleRatio }) => bubbleRatio < -1e-9).length;
    found.mfus += candidates.filter(({ mfu }) => mfu > request.device.efficiency).length;
    let fastest = winner.stepSeconds;
    for (const run of candidates) {
      if (run.schedule === "searched" || run.peakBytes > request.device.memoryBytes) continue;
      if (run.stepSeconds > SIMULATED_WITHIN * winner.stepSeconds) continue;
      const exact = exactSeconds(request, run);
      found.simulated++;
      found.error = Math.max(found.error, Math.abs(run.stepSeconds / exact - 1));
      fastest = Math.min(fastest, exact);
    }
    if (fastest < winner.stepSeconds * (1 - 1e-9)) found.losers++;
  }
  seconds.sort((a, b) => a - b);
  console.log(
    [
      `${found.plans} plans, ${found.empty} of them without a run that fits in memory`,
      `negative bubbles: ${found.bubbles}; MFU above the given efficiency: ${found.mfus}`,
      `winners that are not the fastest by exact simulation: ${found.losers}`,
      `largest error of ${found.simulated} runs within 2 % of the best: ${found.error.toExponential(1)}`,
      `seconds per plan: median ${seconds[seconds.length >> 1]!.toFixed(2)}, most ${seconds.at(-1)!.toFixed(2)}`,
    ].join("\n"),
  );
  return found.bubbles + found.mfus + found.losers === 0 && found.error < 1e-3 ? 0 : 1;
}
