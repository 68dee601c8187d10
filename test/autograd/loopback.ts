import { record } from "../../src/autograd/index.ts";
import type { Runtime } from "../../src/tensor/runtime.ts";
import type { Suspendable, Transfer } from "../../src/tensor/suspension.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const NUM_BOXES = 4;

/** A communication double: a tensor is posted to a mailbox of this same thread, and taken out of it later. */
export class Loopback {
  readonly #runtime: Runtime;
  readonly #office: ReturnType<Runtime["addon"]["mailbox"]["open"]>;
  readonly #name: string;
  /** Names of what was sent, in order. */
  readonly log: string[] = [];

  constructor(runtime: Runtime, name: string) {
    this.#runtime = runtime;
    this.#name = name;
    this.#office = runtime.addon.mailbox.open(name, NUM_BOXES);
  }

  close(): void {
    this.#runtime.addon.mailbox.close(this.#name, "the test is over");
  }

  /**
   * x, sent away and received again in the forward; its gradient likewise in the backward. Letters of a box
   * stay in order.
   */
  *exchange(name: string, x: Tensor, box = 0): Suspendable<Tensor> {
    const y = yield* this.#roundTrip(`F ${name}`, x, box);
    const roundTrip = this.#roundTrip.bind(this);
    record("exchange", [x], [y], [], function* (node) {
      return [yield* roundTrip(`B ${name}`, node.gradient, box)];
    });
    return y;
  }

  *#roundTrip(name: string, x: Tensor, box: number): Suspendable<Tensor> {
    const { addon } = this.#runtime;
    this.log.push(name);
    addon.mailbox.put(this.#office, box, [x.handle]);
    yield this.#transfer(box);
    const [handle] = addon.mailbox.take(this.#office, box, 1000);
    return this.#runtime.adoptHandle(handle!);
  }

  /** Takes one letter out of a box and frees it: what an abandoned computation left behind. */
  discard(box = 0): void {
    const { addon } = this.#runtime;
    for (const handle of addon.mailbox.take(this.#office, box, 1000)) if (handle !== null) addon.free(handle);
  }

  #transfer(box: number): Transfer {
    const { mailbox } = this.#runtime.addon;
    return { isDone: () => mailbox.arrived(this.#office, box), wait: () => {} };
  }
}
