import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileErrorOf } from "../files/file-error.ts";
import { DataSetError, type ImageSize } from "./data-set.ts";

/** What we use of pngjs, which has no types of its own. */
interface Pngjs {
  readonly PNG: {
    readonly sync: {
      /** The pixels as RGBA, 8 bits each, whatever the file has. */
      read(file: Uint8Array): { readonly width: number; readonly height: number; readonly data: Uint8Array };
    };
  };
}

const require = createRequire(import.meta.url);
/** The pixels of a PNG file, RGBA. */
interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** @throws FileError; DataSetError for what is no PNG, or a damaged one */
export function readPng(path: string): Pixels {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw fileErrorOf(`${path} cannot be read`, error);
  }
  try {
    return (require("pngjs") as Pngjs).PNG.sync.read(bytes);
  } catch (error) {
    throw new DataSetError(
      "INVALID_DATA_SET",
      `${path} must be a PNG; it cannot be decoded: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/**
 * Writes pixels as [channels, height, width], from 0 to 1. One channel is the luma of ITU-R 601, as in PIL and
 * torchvision; three are red, green and blue, and leave out what the fourth, alpha, says.
 */
export function writePixels(
  { data }: Pixels,
  { channels, height, width }: ImageSize,
  into: Float32Array,
): void {
  const numPixels = height * width;
  for (let pixel = 0; pixel < numPixels; pixel++) {
    const at = 4 * pixel;
    if (channels === 1)
      into[pixel] = (0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!) / 255;
    else
      for (let channel = 0; channel < channels; channel++)
        into[channel * numPixels + pixel] = data[at + channel]! / 255;
  }
}
