import fc from "fast-check";
import { expect, test } from "vitest";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { historyOf, type Leaf } from "../../autograd/graph.ts";
import { Parameter } from "../../autograd/parameter.ts";
import { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { InProcessGroup } from "../../transport/in-process/in-process-group.ts";
import type { StageModule } from "../stage/stage.ts";
import { SharedParameters } from "./shared-parameters.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);
let numGroups = 0;

/** What one holder has: two stages, some parameters of its own for each and some that both use. */
interface Holder {
  readonly shared: SharedParameters;
  readonly parameters: readonly Parameter[];
  /** Those that one stage alone uses, in the order in which its W makes them final, and how many it says so of. */
  readonly ofStage: readonly (readonly Parameter[])[];
  readonly numEarly: number;
  readonly completionOrder: readonly number[];
}

interface Plan {
  /** Elements of each parameter, by the stages that use it. */
  readonly sizes: Readonly<Record<"first" | "second" | "both", readonly number[]>>;
  readonly numHolders: number;
  readonly isSharded: boolean;
  readonly bundleBytesMax: number;
  /** Which holders are done with the second stage first. */
  readonly isReversed: readonly boolean[];
  /** For how many parameters of a stage each holder knows before the end of its W that they are final. */
  readonly numEarly: readonly number[];
}

const plans: fc.Arbitrary<Plan> = fc.record({
  sizes: fc.record({
    first: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
    second: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
    both: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 3 }),
  }),
  numHolders: fc.integer({ min: 2, max: 5 }),
  isSharded: fc.boolean(),
  bundleBytesMax: fc.constantFrom(1, 100, 300, 10_000),
  isReversed: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
  numEarly: fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 5, maxLength: 5 }),
});

function holdersOf({ sizes, numHolders, isSharded, bundleBytesMax, isReversed, numEarly }: Plan): Holder[] {
  const name = `holders ${numGroups++}`;
  return Array.from({ length: numHolders }, (_, rank) => {
    const make = (list: readonly number[]) => list.map((size) => new Parameter(runtime.full([size], rank)));
    const [first, second, both] = [make(sizes.first), make(sizes.second), make(sizes.both)];
    const moduleOf = (parameters: readonly Parameter[]) =>
      ({ parameters: () => parameters }) as unknown as StageModule;
    const modules = new Map([
      [0, moduleOf([...first, ...both])],
      [1, moduleOf([...both, ...second])],
    ]);
    const holders = new InProcessGroup(runtime, { name, rank, size: numHolders, timeoutMs: 5 });
    const ownerOf = () => numHolders - 1;
    const shared = new SharedParameters({ holders, rank, modules, isSharded, ownerOf, bundleBytesMax });
    const completionOrder = isReversed[rank] ? [1, 0] : [0, 1];
    const parameters = [...first, ...both, ...second];
    const ofStage = [first.toReversed(), second.toReversed()];
    return { shared, parameters, ofStage, numEarly: numEarly[rank]!, completionOrder };
  });
}

/** Different for each holder, parameter and step; sums of them depend on the order in float32. */
const gradientOf = (holder: number, index: number, step: number): number =>
  (1 / 3) * (holder + 1) ** 7 + (index + step) / 7;

function runStep(holders: readonly Holder[], step: number): void {
  for (const { shared, parameters, ofStage, numEarly, completionOrder } of holders) {
    shared.begin("a step");
    parameters.forEach((parameter, i) => {
      const value = gradientOf(
        holders.findIndex((each) => each.shared === shared),
        i,
        step,
      );
      parameter.grad = runtime.scope(() => runtime.full(parameter.shape, value).share());
    });
    for (const stage of completionOrder) {
      for (const parameter of ofStage[stage]!.slice(0, numEarly))
        shared.gradientFinal(historyOf(parameter)!.source as Leaf);
      shared.gradientsComplete(stage);
    }
  }
  for (const { shared } of holders) shared.end((holder) => holders[holder]!.completionOrder);
}

function sumInOrder(values: readonly number[]): number {
  return values.reduce((sum, value) => Math.fround(sum + Math.fround(value)), 0);
}

const elementsOf = (tensor: Tensor | null) => tensor && new Set(tensor.toArray());

test("sums are those in the order of the holders, bit for bit, whichever stage is done first and however bundles are cut", () => {
  fc.assert(
    fc.property(plans, (plan) => {
      const before = runtime.addon.numTensors();
      const holders = holdersOf(plan);
      const numSteps = plan.isSharded ? 1 : 2;
      for (let step = 0; step < numSteps; step++) runStep(holders, step);
      holders[0]!.parameters.forEach((_, i) => {
        const sums = Array.from({ length: numSteps }, (_, step) =>
          sumInOrder(holders.map((_, holder) => gradientOf(holder, i, step))),
        );
        const expected = new Set([sumInOrder(sums)]);
        const actual = holders.map(({ parameters }) => elementsOf(parameters[i]!.grad));
        const owners = holders.filter(({ shared, parameters }) => shared.owns(parameters[i]!));
        expect(owners).toHaveLength(1);
        expect(actual).toEqual(
          holders.map((holder) => (plan.isSharded && holder !== owners[0] ? null : expected)),
        );
      });
      for (const { parameters } of holders) for (const parameter of parameters) parameter.dispose();
      expect(runtime.addon.numTensors()).toBe(before);
    }),
  );
});

test("owners are as even as whole parameters allow, and give the others what they made of theirs", () => {
  fc.assert(
    fc.property(plans, (plan) => {
      const holders = holdersOf({ ...plan, isSharded: true });
      const owned = holders.map(({ shared, parameters }) =>
        parameters.filter((parameter) => shared.owns(parameter)),
      );
      const loads = owned.map((list) => list.reduce((sum, { numElements }) => sum + numElements, 0));
      const largest = Math.max(...Object.values(plan.sizes).flat());
      expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(largest);
      // The parameters of holder `h` are all `h`. Holders that share later receive what was sent before.
      const numParameters = holders[0]!.parameters.length;
      const ownerOf = Array.from({ length: numParameters }, (_, i) =>
        owned.findIndex((list, holder) => list.includes(holders[holder]!.parameters[i]!)),
      );
      for (const { shared } of holders) expectLater(() => shared.shareUpdates("an exchange"));
      for (const { parameters } of holders.slice(-1))
        parameters.forEach((parameter, i) => {
          expect(elementsOf(parameter)).toEqual(new Set([ownerOf[i]]));
        });
      for (const { parameters } of holders) for (const parameter of parameters) parameter.dispose();
    }),
  );
});

/** A holder that comes before the others has sent its own when it gives up waiting for theirs. */
function expectLater(share: () => void): void {
  try {
    share();
  } catch (error) {
    expect(error).toMatchObject({ code: "TIMEOUT" });
  }
}
