import { hardswish, leakyRelu } from "../../autograd/library/activation.ts";
import { gelu, relu, sigmoid, silu, softmax, tanh } from "../../autograd/operators/activation.ts";
import { checkedOptions } from "../../errors/option-error.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";

/**
 * The Gaussian error linear unit `x Phi(x)`, elementwise, where Phi is the normal distribution; with `tanh` its
 * approximation `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, which GPT-2 uses. Hendrycks and Gimpel, 2016.
 */
export class GELU extends Module {
  readonly approximate: "none" | "tanh";

  constructor(runtime: Runtime, options: { readonly approximate?: "none" | "tanh" | undefined } = {}) {
    super(runtime);
    this.approximate = checkedOptions("GELU", options, ["approximate"]).approximate ?? "none";
  }

  forward(x: Tensor): Tensor {
    return gelu(x, this.approximate);
  }
}

/** The sigmoid linear unit `x sigmoid(x)`, elementwise. Elfwing et al., 2017. */
export class SiLU extends Module {
  forward(x: Tensor): Tensor {
    return silu(x);
  }
}

/** `max(x, 0)`, elementwise. */
export class ReLU extends Module {
  forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/** x where it is positive, `negativeSlope * x` elsewhere. */
export class LeakyReLU extends Module {
  readonly negativeSlope: number;

  constructor(runtime: Runtime, options: { readonly negativeSlope?: number | undefined } = {}) {
    super(runtime);
    this.negativeSlope = checkedOptions("LeakyReLU", options, ["negativeSlope"]).negativeSlope ?? 0.01;
  }

  forward(x: Tensor): Tensor {
    return leakyRelu(x, this.negativeSlope);
  }
}

/** The hyperbolic tangent, elementwise. */
export class Tanh extends Module {
  forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/** `1 / (1 + e^-x)`, elementwise. */
export class Sigmoid extends Module {
  forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}

/** `x min(max(x + 3, 0), 6) / 6`, elementwise. Howard et al., 2019. */
export class Hardswish extends Module {
  forward(x: Tensor): Tensor {
    return hardswish(x);
  }
}

/** `e^x`, divided by its sum along a dimension. */
export class Softmax extends Module {
  readonly dim: number;

  constructor(runtime: Runtime, dim: number) {
    super(runtime);
    this.dim = dim;
  }

  forward(x: Tensor): Tensor {
    return softmax(x, this.dim);
  }
}
