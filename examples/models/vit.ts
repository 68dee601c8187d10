// A small vision transformer (Dosovitskiy et al., 2021) that tells directions of stripes apart.
import {
  add,
  Conv2d,
  crossEntropy,
  flatten,
  Linear,
  Module,
  mean,
  Parameter,
  type Runtime,
  type Tensor,
  TransformerEncoderLayer,
  transpose,
} from "dualpipe";
import { IMAGE_SIZE, NUM_CLASSES, striped } from "./images.ts";
import type { ExampleModel } from "./model.ts";

const NUM_LAYERS = 6;
const PATCH_SIZE = 4;
const HIDDEN_SIZE = 16;

/** Images [N, 1, 16, 16] as sequences of patches [N, 16, 16], with a position that is learned. */
class PatchEmbedding extends Module {
  readonly projection = new Conv2d(this.runtime, 1, HIDDEN_SIZE, PATCH_SIZE, { stride: PATCH_SIZE });
  readonly position = new Parameter(this.runtime.randn([(IMAGE_SIZE / PATCH_SIZE) ** 2, HIDDEN_SIZE]));

  forward(images: Tensor): Tensor {
    return add(transpose(flatten(this.projection.call(images), 2), 1, 2), this.position);
  }
}

class MeanHead extends Module {
  readonly linear = new Linear(this.runtime, HIDDEN_SIZE, NUM_CLASSES);

  forward(patches: Tensor): Tensor {
    return this.linear.call(mean(patches, [1]));
  }
}

function part(runtime: Runtime, index: number): Module {
  if (index === 0) return new PatchEmbedding(runtime);
  if (index > NUM_LAYERS) return new MeanHead(runtime);
  return new TransformerEncoderLayer(runtime, HIDDEN_SIZE, 2, {
    feedForwardSize: 4 * HIDDEN_SIZE,
    dropout: 0,
    activation: "gelu",
    batchFirst: true,
    normFirst: true,
  });
}

export const vit: ExampleModel = {
  numParts: NUM_LAYERS + 2,
  part,
  batch: striped,
  criterion: (logits, labels) => crossEntropy(logits, labels),
};
