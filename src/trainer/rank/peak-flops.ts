import type { DType } from "../../tensor/dtype.ts";
import type { Runtime } from "../../tensor/runtime.ts";

/** How products of matrices are computed: a dtype, or float32 with factors rounded to TF32. */
type Arithmetic = DType | "tf32";

/** Operations per second of dense products, by NVIDIA's data sheets of the SXM cards. */
const PEAKS: readonly (readonly [name: RegExp, peaks: Partial<Record<Arithmetic, number>>])[] = [
  [/\bH[12]00\b/, { bfloat16: 989e12, tf32: 495e12, float32: 67e12, float64: 67e12 }],
  [/\bA100\b/, { bfloat16: 312e12, tf32: 156e12, float32: 19.5e12, float64: 19.5e12 }],
];

/**
 * What all cards that these ranks compute on can do at most, in operations per second; undefined on the CPU and for
 * cards whose data sheet is not listed here.
 */
export function peakFlopsOf(
  { device, addon }: Runtime,
  numRanks: number,
  { dtype, tf32 }: { readonly dtype: DType; readonly tf32: boolean },
): number | undefined {
  if (device.kind !== "cuda") return undefined;
  const arithmetic = dtype === "float32" && tf32 ? "tf32" : dtype;
  const cards = addon.cuda!.cards().slice(0, numRanks);
  const peaks = cards.map(({ name }) => PEAKS.find(([pattern]) => pattern.test(name))?.[1][arithmetic]);
  if (peaks.some((peak) => peak === undefined)) return undefined;
  return peaks.reduce<number>((sum, peak) => sum + peak!, 0);
}
