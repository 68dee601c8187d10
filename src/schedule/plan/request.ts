import type { DeviceShape } from "./model-cost.ts";
import type { ModelShape } from "./model-shape.ts";

/** What is to be trained, and on what. */
export interface PlanRequest {
  readonly model: ModelShape;
  readonly sequenceLength: number;
  /** Sequences of one step over all devices. */
  readonly globalBatch: number;
  readonly numDevices: number;
  readonly device: DeviceShape;
}
