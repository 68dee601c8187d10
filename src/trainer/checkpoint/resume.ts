import { counted } from "../../errors/counted.ts";
import { batchShapeOf, type TrainConfig } from "../config/config.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import type { Manifest } from "./manifest.ts";
import type { CheckpointStore } from "./store.ts";

/** The checkpoint that a run resumes from, after `manifest.step` steps. */
export interface ResumePoint {
  readonly name: string;
  readonly manifest: Manifest;
  /** Whether each rank does what it did before, so that it can continue its own random numbers. */
  readonly isSameLayout: boolean;
}

/**
 * Finds the checkpoint that a run resumes from, if there is one. Damaged checkpoints are reported, set aside and passed
 * over.
 * @throws CheckpointError when all are damaged, or when the newest does not fit the configuration.
 */
export async function findResumePoint(
  store: CheckpointStore,
  config: TrainConfig,
  print: (text: string) => void,
): Promise<ResumePoint | undefined> {
  const names = await store.names();
  if (names.length === 0) {
    print(`no checkpoint in ${store.folder}: starting at the first step`);
    return undefined;
  }
  const point = await store.latest(async (name, error) => {
    print(`${error.message}; passing over ${name}, now damaged-${name}`);
    await store.setAside(name);
  });
  if (point === undefined)
    throw new CheckpointError(
      "CHECKPOINT_DAMAGED",
      `${store.folder} has ${counted(names.length, "checkpoint")}, all damaged; to start over, train with --overwrite in place of --resume`,
    );
  checkConfig(point, config);
  const isSameLayout = layoutOf(point.manifest.config) === layoutOf(config);
  print(`resuming after step ${point.manifest.step} from ${store.pathOf(point.name)}`);
  return { ...point, isSameLayout };
}

/** A text that is the same for equal pipelines; a program is compared by its text, wherever its file was. */
function layoutOf({ pipeline }: TrainConfig): string {
  const { schedule } = pipeline;
  return JSON.stringify({
    ...pipeline,
    schedule: typeof schedule === "string" ? schedule : { csv: schedule.csv },
  });
}

/** @throws CheckpointError when the checkpoint was trained on other tokens */
export function checkTokens({ name, manifest }: ResumePoint, tokensSha256: string): void {
  if (manifest.data.tokensSha256 === tokensSha256) return;
  throw new CheckpointError(
    "CHECKPOINT_MISMATCH",
    `${name} was trained on other text than data.source; use the same text, or set another output.dir`,
  );
}

/** Checks what must not change in a resumed run; ranks, schedule, rates and intervals may. */
function checkConfig({ name, manifest }: Omit<ResumePoint, "isSameLayout">, config: TrainConfig): void {
  const [now, then] = [config, manifest.config].map(identityOf) as [Identity, Identity];
  const problems = Object.keys(now)
    .filter((key) => now[key] !== then[key])
    .map((key) => `  ${key} must be ${then[key]} as in the checkpoint; got ${now[key]}`);
  if (manifest.step > config.training.steps)
    problems.push(
      `  training.steps must be at least the ${counted(manifest.step, "step")} that ${manifest.step === 1 ? "is" : "are"} done; got ${config.training.steps}`,
    );
  if (problems.length === 0) return;
  throw new CheckpointError(
    "CHECKPOINT_MISMATCH",
    `${name} does not fit the configuration:\n${problems.join("\n")}\nchange the values back, or set another output.dir`,
  );
}

type Identity = Readonly<Record<string, string>>;

function identityOf(config: TrainConfig): Identity {
  const { model, training, optimizer } = config;
  const values = {
    ...Object.fromEntries(Object.entries(model).map(([key, value]) => [`model.${key}`, value])),
    "data.vocabSize": config.data.vocabSize,
    "data.validationFraction": config.data.validationFraction,
    "training.seed": training.seed,
    "training.dtype": training.dtype,
    "training.sequenceLength": training.sequenceLength,
    "pipeline.replicas x pipeline.microBatches x training.microBatchSize": batchShapeOf(config).numSequences,
    "optimizer.kind": optimizer.kind,
    ...(training.dtype === "bfloat16" ? { "optimizer.masterWeights": optimizer.masterWeights } : {}),
    ...(optimizer.kind === "sgd" ? { "optimizer.momentum over 0": optimizer.momentum > 0 } : {}),
  };
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, String(value)]));
}
