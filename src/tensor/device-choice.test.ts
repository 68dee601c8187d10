// Which device a choice means; the tests in test/gpu use real cards.
import { expect, test } from "vitest";
import type { Addon } from "../native/addon.ts";
import { type DeviceChoice, deviceKindOf } from "./device-choice.ts";
import { DeviceError } from "./errors.ts";
import { Runtime } from "./runtime.ts";

const addonWith = (numCards: number | undefined) =>
  ({
    libtorchVersion: "2.11.0",
    cuda: numCards === undefined ? null : { numCards: () => numCards },
  }) as unknown as Addon;

test.each<[DeviceChoice, number | undefined, "cpu" | "cuda"]>([
  ["auto", undefined, "cpu"],
  ["auto", 0, "cpu"],
  ["auto", 2, "cuda"],
  ["cpu", 2, "cpu"],
  ["cuda", 1, "cuda"],
])("%s with %s cards is %s", (choice, numCards, kind) => {
  expect(deviceKindOf(addonWith(numCards), choice)).toBe(kind);
});

test.each([
  [undefined, "the native addon was built without CUDA, for LibTorch 2.11.0"],
  [0, "the driver shows none"],
])("cuda with %s cards is refused", (numCards, why) => {
  expect(() => deviceKindOf(addonWith(numCards), "cuda")).toThrow(
    `dualpipe: the device cuda needs a card; ${why}; choose the device cpu or auto, or see what is missing: npx dualpipe doctor`,
  );
});

test("a device that does not exist is refused", () => {
  expect(() => deviceKindOf(addonWith(1), "gpu" as DeviceChoice)).toThrow(
    'dualpipe: the device must be auto, cpu or cuda; got "gpu"',
  );
  expect(() => Runtime.load({ device: "tpu" as DeviceChoice })).toThrow(DeviceError);
});
