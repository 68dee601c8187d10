import type { Addon } from "../../native/addon.ts";
import { checkOperator, type Operator } from "../native-operator.ts";

/** The addon's numbers for operators, each looked up at its first use. */
export class OperatorNumbers {
  readonly #addon: Addon;
  readonly #numbers = new Map<Operator, number>();
  readonly #known = new Map<Operator, boolean>();

  constructor(addon: Addon) {
    this.#addon = addon;
  }

  /** @throws LibTorchError when this LibTorch has no such operator */
  of(op: Operator): number {
    let number = this.#numbers.get(op);
    if (number === undefined) {
      checkOperator(op);
      number = this.#addon.op(op.name, op.overload);
      this.#numbers.set(op, number);
    }
    return number;
  }

  /** True when this LibTorch has the operator. */
  has(op: Operator): boolean {
    const known = this.#known.get(op);
    if (known !== undefined) return known;
    let found = true;
    try {
      this.of(op);
    } catch {
      found = false;
    }
    this.#known.set(op, found);
    return found;
  }
}
