import { gelu, silu } from "../autograd/operators/activation.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/** Gaussian error linear unit; `tanh` is the approximation that GPT-2 uses. */
export class GELU extends Module {
  readonly approximate: "none" | "tanh";

  constructor(runtime: Runtime, { approximate = "none" }: { readonly approximate?: "none" | "tanh" } = {}) {
    super(runtime);
    this.approximate = approximate;
  }

  forward(x: Tensor): Tensor {
    return gelu(x, this.approximate);
  }
}

/** `x sigmoid(x)`, elementwise. */
export class SiLU extends Module {
  forward(x: Tensor): Tensor {
    return silu(x);
  }
}
