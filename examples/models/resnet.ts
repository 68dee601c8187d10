// A small ResNet (He et al., 2016) that tells directions of stripes apart.
import {
  AdaptiveAvgPool,
  add,
  BatchNorm2d,
  Conv2d,
  crossEntropy,
  Flatten,
  Linear,
  Module,
  ReLU,
  type Runtime,
  relu,
  Sequential,
  type Tensor,
} from "dualpipe";
import { NUM_CLASSES, striped } from "./images.ts";
import type { ExampleModel } from "./model.ts";

const NUM_BLOCKS = 6;
const NUM_CHANNELS = 8;

class BasicBlock extends Module {
  readonly conv1 = new Conv2d(this.runtime, NUM_CHANNELS, NUM_CHANNELS, 3, { padding: 1, bias: false });
  readonly bn1 = new BatchNorm2d(this.runtime, NUM_CHANNELS);
  readonly conv2 = new Conv2d(this.runtime, NUM_CHANNELS, NUM_CHANNELS, 3, { padding: 1, bias: false });
  readonly bn2 = new BatchNorm2d(this.runtime, NUM_CHANNELS);

  forward(x: Tensor): Tensor {
    const inner = relu(this.bn1.call(this.conv1.call(x)));
    return relu(add(x, this.bn2.call(this.conv2.call(inner))));
  }
}

function part(runtime: Runtime, index: number): Module {
  if (index === 0)
    return new Sequential(
      runtime,
      new Conv2d(runtime, 1, NUM_CHANNELS, 3, { stride: 2, padding: 1, bias: false }),
      new BatchNorm2d(runtime, NUM_CHANNELS),
      new ReLU(runtime),
    );
  if (index <= NUM_BLOCKS) return new BasicBlock(runtime);
  return new Sequential(
    runtime,
    new AdaptiveAvgPool(runtime, 1),
    new Flatten(runtime),
    new Linear(runtime, NUM_CHANNELS, NUM_CLASSES),
  );
}

export const resnet: ExampleModel = {
  numParts: NUM_BLOCKS + 2,
  part,
  batch: striped,
  criterion: (logits, labels) => crossEntropy(logits, labels),
};
