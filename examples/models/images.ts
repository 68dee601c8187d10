import type { Runtime, Tensor } from "dualpipe";
import { numbersOf } from "./model.ts";

export const IMAGE_SIZE = 16;
export const NUM_CLASSES = 4;

/** Stripes [N, 1, 16, 16] in noise: the class is their direction. Labels are int64 [N]. */
export function striped(
  runtime: Runtime,
  numImages: number,
  step: number,
): { inputs: Tensor; labels: Tensor } {
  const random = numbersOf(step);
  const pixels = new Float32Array(numImages * IMAGE_SIZE ** 2);
  const labels = Array.from({ length: numImages }, () => Math.floor(NUM_CLASSES * random()));
  labels.forEach((label, image) => {
    const angle = (Math.PI * label) / NUM_CLASSES;
    const [phase, frequency] = [2 * Math.PI * random(), 0.6 + 0.6 * random()];
    for (let y = 0; y < IMAGE_SIZE; y++)
      for (let x = 0; x < IMAGE_SIZE; x++) {
        const along = x * Math.cos(angle) + y * Math.sin(angle);
        const noise = random() - 0.5;
        pixels[(image * IMAGE_SIZE + y) * IMAGE_SIZE + x] = Math.sin(phase + frequency * along) + noise;
      }
  });
  return {
    inputs: runtime.fromArray(pixels, [numImages, 1, IMAGE_SIZE, IMAGE_SIZE], "float32"),
    labels: runtime.tensor(labels, undefined, "int64"),
  };
}
