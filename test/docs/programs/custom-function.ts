import { gradcheck, operator, Runtime, record, type Tensor } from "dualpipe";

const runtime = Runtime.load();

const ERF = operator("aten::erf");
const SQUARE = operator("aten::square");
const EXP = operator("aten::exp");
const NEG = operator("aten::neg");
const MUL = operator("aten::mul", "Tensor");
const MUL_SCALAR = operator("aten::mul", "Scalar");

/** The error function, elementwise. */
function erf(x: Tensor): Tensor {
  const y = runtime.call(ERF, x);
  return record("erf", { x }, y, { x }, (dy, { x }) => {
    // dx = dy 2 / sqrt(pi) e^(-x^2)
    const slope = runtime.call(EXP, runtime.call(NEG, runtime.call(SQUARE, x)));
    return { x: runtime.call(MUL, dy, runtime.call(MUL_SCALAR, slope, 2 / Math.sqrt(Math.PI))) };
  });
}

export function checkErf(): void {
  runtime.scope(() => gradcheck(erf, [runtime.randn([2, 3])])); // throws if a gradient is wrong
}
