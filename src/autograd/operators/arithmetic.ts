import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { historyOf, type Node, record } from "../graph.ts";
import { formOf, formsOf, reduceTo } from "./broadcast.ts";

const ADD = operator("aten::add", "Tensor");
const SUB = operator("aten::sub", "Tensor");
const MUL = operator("aten::mul", "Tensor");
const DIV = operator("aten::div", "Tensor");
const NEG = operator("aten::neg");
const MAXIMUM = operator("aten::maximum");
const LESS = operator("aten::lt", "Tensor");
const EQUAL = operator("aten::eq", "Tensor");
const HALF = operator("aten::div", "Scalar");
const MASKED_FILL = operator("aten::masked_fill", "Scalar");
const WHERE = operator("aten::where", "self");
const WHERE_ELSE_NUMBER = operator("aten::where", "ScalarOther");
const WHERE_NUMBER_ELSE = operator("aten::where", "ScalarSelf");

/** `a + b`, elementwise; a and b are broadcast against each other. */
export function add(a: Tensor, b: Tensor): Tensor {
  const y = a.runtime.call(ADD, a, b);
  const [formA, formB] = formsOf(a, b);
  record("add", [a, b], [y], [], (node) => [
    node.wants(0) ? reduceTo(formA, node.gradient) : null,
    node.wants(1) ? reduceTo(formB, node.gradient) : null,
  ]);
  return y;
}

/** `a - b`, elementwise; a and b are broadcast against each other. */
export function sub(a: Tensor, b: Tensor): Tensor {
  const y = a.runtime.call(SUB, a, b);
  const [formA, formB] = formsOf(a, b);
  record("sub", [a, b], [y], [], (node) => [
    node.wants(0) ? reduceTo(formA, node.gradient) : null,
    node.wants(1) ? node.runtime.call(NEG, reduceTo(formB, node.gradient)) : null,
  ]);
  return y;
}

/** `a * b`, elementwise; a and b are broadcast against each other. */
export function mul(a: Tensor, b: Tensor): Tensor {
  const y = a.runtime.call(MUL, a, b);
  const [formA, formB] = formsOf(a, b);
  record(
    "mul",
    [a, b],
    [y],
    [
      [b, 0],
      [a, 1],
    ],
    (node) => [
      node.wants(0) ? reduceTo(formA, node.runtime.call(MUL, node.gradient, node.saved(0))) : null,
      node.wants(1) ? reduceTo(formB, node.runtime.call(MUL, node.gradient, node.saved(1))) : null,
    ],
  );
  return y;
}

/** `a / b`, elementwise; a and b are broadcast against each other. */
export function div(a: Tensor, b: Tensor): Tensor {
  const y = a.runtime.call(DIV, a, b);
  const [formA, formB] = formsOf(a, b);
  record(
    "div",
    [a, b],
    [y],
    [
      [b, 0, 1],
      [y, 1],
    ],
    (node) => [
      node.wants(0) ? reduceTo(formA, node.runtime.call(DIV, node.gradient, node.saved(0))) : null,
      node.wants(1) ? reduceTo(formB, divisorGradient(node)) : null,
    ],
  );
  return y;
}

function divisorGradient(node: Node): Tensor {
  const { runtime } = node;
  return runtime.call(MUL, runtime.call(NEG, node.gradient), runtime.call(DIV, node.saved(1), node.saved(0)));
}

/** The larger of a and b, elementwise and broadcast; where they are equal each gets half of the gradient. */
export function maximum(a: Tensor, b: Tensor): Tensor {
  const y = a.runtime.call(MAXIMUM, a, b);
  const [formA, formB] = formsOf(a, b);
  record(
    "maximum",
    [a, b],
    [y],
    [
      [a, 0, 1],
      [b, 0, 1],
    ],
    (node) => [
      node.wants(0) ? reduceTo(formA, maximumGradient(node, node.saved(0), node.saved(1))) : null,
      node.wants(1) ? reduceTo(formB, maximumGradient(node, node.saved(1), node.saved(0))) : null,
    ],
  );
  return y;
}

function maximumGradient({ runtime, gradient }: Node, self: Tensor, other: Tensor): Tensor {
  const half = runtime.call(HALF, gradient, 2);
  const shared = runtime.call(WHERE, runtime.call(EQUAL, self, other), half, gradient);
  return runtime.call(MASKED_FILL, shared, runtime.call(LESS, self, other), 0);
}

/**
 * a where the condition holds, b elsewhere; all three are broadcast against each other.
 * @param condition bool
 */
export function where(condition: Tensor, a: Tensor, b: Tensor): Tensor {
  const y = a.runtime.call(WHERE, condition, a, b);
  const [formA, formB] = [formOf(a), formOf(b)];
  record(
    "where",
    [a, b],
    [y],
    [[condition, 0, 1]],
    (node) => {
      const { runtime, gradient } = node;
      return [
        node.wants(0) ? reduceTo(formA, runtime.call(WHERE_ELSE_NUMBER, node.saved(0), gradient, 0)) : null,
        node.wants(1) ? reduceTo(formB, runtime.call(WHERE_NUMBER_ELSE, node.saved(0), 0, gradient)) : null,
      ];
    },
    historyOf(condition)?.isActivation,
  );
  return y;
}
