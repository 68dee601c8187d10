import { z } from "zod";
import { flag, fraction, keys, whole } from "../config-values.ts";

export const schema = keys({
  kind: z.literal("gpt"),
  hiddenSize: whole(1).default(128),
  numLayers: whole(1).default(8),
  numHeads: whole(1).default(4),
  mlpRatio: whole(1).default(4),
  tieEmbeddings: flag().default(true),
  dropout: fraction().default(0),
});

/** The `model` section of kind `gpt`. */
export type GptSection = z.infer<typeof schema>;
