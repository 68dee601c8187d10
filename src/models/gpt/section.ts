import type { z } from "zod";
import { declare, flag, fraction, keys, whole, zod } from "../config-values.ts";

export const schema = declare(() =>
  keys({
    kind: zod().literal("gpt"),
    hiddenSize: whole(1).default(128),
    numLayers: whole(1).default(8),
    numHeads: whole(1).default(4),
    mlpRatio: whole(1).default(4),
    tieEmbeddings: flag().default(true),
    dropout: fraction().default(0),
  }),
);

/** The `model` section of kind `gpt`. */
export type GptSection = z.infer<ReturnType<typeof schema>>;
