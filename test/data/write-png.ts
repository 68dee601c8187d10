import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";

interface Png {
  readonly data: Uint8Array;
}

const { PNG } = createRequire(import.meta.url)("pngjs") as {
  PNG: {
    new (size: { width: number; height: number }): Png;
    sync: { write(png: Png, options: object): Buffer };
  };
};

/** Color types of PNG. */
const COLOR_TYPES = { gray: 0, rgb: 2, rgba: 6 };

/** Writes a PNG of these pixels, RGBA, and makes its folder. */
export function writePng(
  path: string,
  width: number,
  rgba: readonly number[],
  kind: keyof typeof COLOR_TYPES = "rgba",
): void {
  const png = new PNG({ width, height: rgba.length / 4 / width });
  png.data.set(rgba);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(
    path,
    PNG.sync.write(png, { colorType: COLOR_TYPES[kind], inputColorType: 6, inputHasAlpha: true }),
  );
}
