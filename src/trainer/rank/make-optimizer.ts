import { Adagrad } from "../../optim/adagrad.ts";
import { Adam } from "../../optim/adam.ts";
import { AdamW } from "../../optim/adamw.ts";
import { Lion } from "../../optim/lion.ts";
import { type NamedParameter, type Optimizer, weightDecayGroups } from "../../optim/optimizer.ts";
import { RMSprop } from "../../optim/rmsprop.ts";
import { SGD } from "../../optim/sgd.ts";
import type { TrainConfig } from "../config/config.ts";

/** The optimizer that a configuration asks for. */
export function makeOptimizer(
  parameters: readonly NamedParameter[],
  { optimizer }: TrainConfig,
): Optimizer<{ learningRate: number }> {
  const groups = weightDecayGroups(parameters, optimizer.weightDecay);
  const { learningRate, masterWeights } = optimizer;
  switch (optimizer.kind) {
    case "adamw":
      return new AdamW(groups, {
        learningRate,
        masterWeights,
        betas: optimizer.betas,
        eps: optimizer.eps,
      });
    case "adam":
      return new Adam(groups, { learningRate, masterWeights, betas: optimizer.betas, eps: optimizer.eps });
    case "lion":
      return new Lion(groups, { learningRate, masterWeights, betas: optimizer.betas });
    case "rmsprop": {
      const { alpha, eps, momentum } = optimizer;
      return new RMSprop(groups, { learningRate, masterWeights, alpha, eps, momentum });
    }
    case "adagrad":
      return new Adagrad(groups, { learningRate, masterWeights, eps: optimizer.eps });
    case "sgd":
      return new SGD(groups, { learningRate, masterWeights, momentum: optimizer.momentum });
    default:
      return optimizer satisfies never;
  }
}
