import type { z } from "zod";
import { declare, fraction, keys, whole, zod } from "../config-values.ts";

export const DEFAULT_HIDDEN_SIZE = 128;
export const DEFAULT_NUM_LAYERS = 8;

export const schema = declare(() =>
  keys({
    kind: zod().literal("gpt"),
    hiddenSize: whole(1).default(DEFAULT_HIDDEN_SIZE),
    numLayers: whole(1).default(DEFAULT_NUM_LAYERS),
    numHeads: whole(1).default(4),
    mlpRatio: whole(1).default(4),
    tieEmbeddings: zod().boolean({ error: "true, false or auto" }).default(true),
    dropout: fraction().default(0),
  }),
);

/** The `model` section of kind `gpt`. */
export type GptSection = z.infer<ReturnType<typeof schema>>;
