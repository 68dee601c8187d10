import { backward, differentiable, differentiableMany, operator, Parameter, Runtime } from "dualpipe";

const runtime = Runtime.load();

export function anyOperator(): number[] {
  return runtime.scope(() => {
    using x = new Parameter(runtime.tensor([1, 3, 2]));
    const [highest, indices] = differentiableMany(operator("aten::cummax"), x, 0);
    console.log(indices); // int64, without a gradient
    backward(differentiable(operator("aten::square"), highest!), runtime.ones([3]));
    return x.grad!.toArray(); // [2, 12, 0]: the 2 was never the highest
  });
}
