import { shown } from "../errors/shown.ts";
import type { Addon } from "../native/addon.ts";
import { CudaDevice } from "./cuda-device.ts";
import { CpuDevice, type Device } from "./device.ts";
import { DeviceError } from "./errors.ts";

/** `auto` is a card where there is one, and the CPU elsewhere. */
export type DeviceChoice = "auto" | Device["kind"];

export interface LoadOptions {
  /** Where tensors are. The CPU if not given; `auto` is a card where there is one. */
  readonly device?: DeviceChoice;
  /** Which of the machine's cards, where there are several: the ranks of a machine take them in turn. */
  readonly localRank?: number;
}

/**
 * The kind of device that a choice means on this machine.
 * @throws DeviceError when it is `cuda` and there is no card to use
 */
export function deviceKindOf(addon: Addon, choice: DeviceChoice): Device["kind"] {
  if (choice === "cpu") return "cpu";
  if (choice !== "cuda" && choice !== "auto")
    throw new DeviceError(`the device must be auto, cpu or cuda; got ${shown(choice)}`);
  const problem = whyNoCard(addon);
  if (problem === undefined) return "cuda";
  if (choice === "auto") return "cpu";
  throw new DeviceError(
    `the device cuda needs a card; ${problem}; choose the device cpu or auto, or see what is missing: npx dualpipe doctor`,
  );
}

function whyNoCard({ cuda, libtorchVersion }: Addon): string | undefined {
  if (cuda === null) return `the native addon was built without CUDA, for LibTorch ${libtorchVersion}`;
  return cuda.numCards() === 0 ? "the driver shows none" : undefined;
}

/**
 * The device of the thread that calls it.
 * @param localRank The rank among those of its machine: ranks take the cards in turn, and share them when there are
 * more ranks than cards.
 * @throws DeviceError
 */
export function openDevice(addon: Addon, choice: DeviceChoice, localRank = 0): Device {
  const { cuda } = addon;
  if (deviceKindOf(addon, choice) === "cpu" || cuda === null) return new CpuDevice(addon);
  return new CudaDevice(addon, cuda, localRank % cuda.numCards());
}
