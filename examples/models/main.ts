// Trains a ResNet, a GRU language model or a vision transformer under DualPipe or DualPipeV, and compares the losses of
// the first step with those of the same model run sequentially:
//
//     npx tsx examples/models/main.ts resnet|gru-lm|vit [dualpipe|dualpipev] [ranks]
import { isMainThread } from "node:worker_threads";
import {
  AdamW,
  noGrad,
  numStagesOf,
  Pipeline,
  type RankContext,
  runRanks,
  Sequential,
  split,
  stagesOfRank,
} from "dualpipe";
import { gruLanguageModel } from "./gru-lm.ts";
import { type ExampleModel, stageOf } from "./model.ts";
import { resnet } from "./resnet.ts";
import { vit } from "./vit.ts";

const MODELS: Readonly<Record<string, ExampleModel>> = { resnet, "gru-lm": gruLanguageModel, vit };
const NUM_MICRO_BATCHES = 8;
const MICRO_BATCH_SIZE = 8;
const NUM_SAMPLES = NUM_MICRO_BATCHES * MICRO_BATCH_SIZE;

export interface ModelRun {
  readonly model: string;
  readonly schedule: string;
  readonly numSteps: number;
}

export interface ModelReport {
  /** For each step, the losses of the micro-batches that leave on this rank, with their numbers. */
  readonly losses: readonly (readonly (readonly [microBatch: number, loss: number])[])[];
  /** The losses of all micro-batches in the first step of the model on one rank. */
  readonly sequential: readonly number[];
  /** Live tensors after each step. */
  readonly numTensors: readonly number[];
}

export default function rankProgram({
  rank,
  numRanks,
  runtime,
  processGroup,
  data,
}: RankContext<ModelRun>): ModelReport {
  const model = MODELS[data.model]!;
  const numStages = numStagesOf(data.schedule, numRanks);
  const whole = Array.from({ length: numStages }, (_, stage) => stageOf(runtime, model, stage, numStages));
  const sequential = runtime.scope(() => {
    const { inputs, labels } = model.batch(runtime, NUM_SAMPLES, 0);
    const [parts, labelParts] = [split(inputs, MICRO_BATCH_SIZE), split(labels, MICRO_BATCH_SIZE)];
    const all = new Sequential(runtime, ...whole);
    return noGrad(runtime, () => parts.map((x, i) => model.criterion(all.call(x), labelParts[i]!).item()));
  });
  for (const stage of whole) stage.dispose();

  const stages = stagesOfRank(data.schedule, numRanks, rank);
  const modules = new Map(stages.map((stage) => [stage, stageOf(runtime, model, stage, numStages)]));
  const pipe = new Pipeline({ schedule: data.schedule, modules, processGroup });
  const named = [...modules].flatMap(([stage, module]) =>
    module.namedParameters().map(([name, parameter]) => [`${stage}.${name}`, parameter] as const),
  );
  const optimizer = new AdamW(named, { learningRate: 3e-3 });
  const { leaving } = pipe.endsOf(NUM_MICRO_BATCHES);
  const losses: (readonly [number, number])[][] = [];
  const numTensors: number[] = [];
  for (let step = 0; step < data.numSteps; step++) {
    runtime.scope(() => {
      const { inputs, labels } = model.batch(runtime, NUM_SAMPLES, step);
      const part = pipe.partOf({ inputs, labels: [labels] }, NUM_MICRO_BATCHES);
      const { loss } = pipe.step(part.inputs, {
        numChunks: NUM_MICRO_BATCHES,
        criterion: model.criterion,
        labels: part.labels,
      });
      optimizer.step();
      optimizer.zeroGrad();
      losses.push((loss?.toArray() ?? []).map((value, i) => [leaving[i]!, value] as const));
    });
    numTensors.push(runtime.addon.numTensors());
  }
  return { losses, sequential, numTensors };
}

async function main([
  model = "resnet",
  schedule = "dualpipe",
  ranks = "4",
]: readonly string[]): Promise<void> {
  if (MODELS[model] === undefined) {
    console.error(`there is no model ${model}; choose one of ${Object.keys(MODELS).join(", ")}`);
    process.exitCode = 2;
    return;
  }
  const data: ModelRun = { model, schedule, numSteps: 60 };
  const reports = await runRanks<ModelReport>(new URL(import.meta.url), { numRanks: Number(ranks), data });
  const lossesOf = (step: number) => reports.flatMap(({ losses }) => losses[step]!);
  for (let step = 0; step < data.numSteps; step += 10) {
    const losses = lossesOf(step).map(([, loss]) => loss);
    console.log(`step ${step + 1}: loss ${(losses.reduce((a, b) => a + b) / losses.length).toFixed(4)}`);
  }
  const isEqual = lossesOf(0).every(([microBatch, loss]) => loss === reports[0]!.sequential[microBatch]);
  console.log(
    `the losses of the first step are ${isEqual ? "" : "NOT "}those of the sequential model, bit for bit`,
  );
}

if (isMainThread) await main(process.argv.slice(2));
