import { gelu, silu } from "../autograd/operators/activation.ts";
import { checkedOptions } from "../errors/option-error.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

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
