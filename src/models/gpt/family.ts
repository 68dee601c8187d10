import { counted } from "../../errors/counted.ts";
import type { ModelContext, ModelCut, ModelFamily, ModelIssue } from "../model-family.ts";
import type { GptConfig } from "./gpt.ts";
import { toHuggingFace } from "./hugging-face.ts";
import { DEFAULT_HIDDEN_SIZE, DEFAULT_NUM_LAYERS, type GptSection, schema } from "./section.ts";
import { gptStages } from "./stages.ts";

/** The keys that decide how a pipeline cuts a model. */
const CUT_KEYS = ["pipeline.schedule", "pipeline.ranks"];

/** The value of `tieEmbeddings` that leaves it to the schedule. */
const AUTO = "auto";

/** GPT-2: pre-norm decoder, learned positions, GELU. Radford et al., 2019. */
export const gpt = {
  schema,
  fittingDefaults,
  rules: (model, cut) => [...headIssues(model), ...layerIssues(model, cut), ...tieIssues(model, cut)],
  stages: ({ model, context, ...options }) => gptStages({ config: configOf(model, context), ...options }),
  flopsPerToken,
  toHuggingFace,
} as const satisfies ModelFamily<GptSection>;

/**
 * Two operations for each weight of a product and for each product of attention, of which the causal half is needed;
 * the backward takes twice the forward. Appendix B of PaLM (Chowdhery et al., 2022) counts the same, but for attention,
 * which it counts whole.
 */
function flopsPerToken(
  { numLayers, hiddenSize, mlpRatio }: GptSection,
  { vocabSize, contextLength }: ModelContext,
): number {
  const weights = (4 + 2 * mlpRatio) * hiddenSize ** 2;
  const attention = contextLength * hiddenSize;
  return 3 * 2 * (numLayers * (weights + attention) + vocabSize * hiddenSize);
}

function configOf({ kind: _, ...model }: GptSection, context: ModelContext): GptConfig {
  return { ...model, ...context };
}

/** What makes a section with few keys trainable under any schedule, on any number of ranks and with any heads. */
function fittingDefaults(
  { tieEmbeddings = AUTO, numLayers, numHeads, hiddenSize }: Readonly<Record<string, unknown>>,
  cut: ModelCut | undefined,
): Partial<GptSection> {
  const heads = Number.isSafeInteger(numHeads) && Number(numHeads) > 0 ? Number(numHeads) : 1;
  return {
    ...(tieEmbeddings === AUTO ? { tieEmbeddings: cut?.endsShareRank ?? true } : {}),
    ...(numLayers === undefined ? { numLayers: Math.max(DEFAULT_NUM_LAYERS, cut?.numStages ?? 0) } : {}),
    ...(hiddenSize === undefined ? { hiddenSize: Math.ceil(DEFAULT_HIDDEN_SIZE / heads) * heads } : {}),
  };
}

function headIssues({ hiddenSize, numHeads }: GptSection): readonly ModelIssue[] {
  const rest = hiddenSize % numHeads;
  if (rest === 0) return [];
  const below = hiddenSize - rest;
  const remedy = below === 0 ? `${numHeads}` : `${below} or ${below + numHeads}`;
  return [
    {
      key: "hiddenSize",
      problem: `must be divisible by model.numHeads; got ${hiddenSize} with ${numHeads} heads; use ${remedy}`,
      with: ["model.numHeads"],
    },
  ];
}

function layerIssues({ numLayers }: GptSection, { numStages, layout }: ModelCut): readonly ModelIssue[] {
  if (numLayers >= numStages) return [];
  return [
    {
      key: "numLayers",
      problem: `must be at least 1 for each of the ${counted(numStages, "stage")} of ${layout}; got ${numLayers}; use ${numStages}, or fewer pipeline.ranks`,
      with: CUT_KEYS,
    },
  ];
}

/** A tied head and the token embedding are one parameter, so one rank must hold both. */
function tieIssues(
  { tieEmbeddings }: GptSection,
  { endsShareRank, layout }: ModelCut,
): readonly ModelIssue[] {
  if (!tieEmbeddings || endsShareRank) return [];
  return [
    {
      key: "tieEmbeddings",
      problem: `must be false under ${layout}, which puts the first and the last stage on different ranks; got true; use auto or false`,
      with: CUT_KEYS,
    },
  ];
}
