import { readdirSync } from "node:fs";
import { join } from "node:path";
import { checkedOptions, OptionError } from "../errors/option-error.ts";
import { fileErrorOf } from "../files/file-error.ts";
import type { ElementArray } from "../tensor/values/elements.ts";
import { type Column, type DataSet, DataSetError, type DataSetOrigin } from "./data-set.ts";
import { readPng, writePixels } from "./png.ts";

export interface ImageFolderOptions {
  /** 3 by default; 1 for shades of grey, 4 with alpha. */
  readonly channels?: 1 | 3 | 4 | undefined;
}

type Origin = DataSetOrigin & { readonly kind: "images" };

/** Images that are decoded when they are asked for, and their classes. */
export class Images implements DataSet {
  readonly numRows: number;
  readonly columns: { readonly image: Column; readonly label: Column };
  readonly origin: Origin;

  constructor(origin: Origin) {
    const { channels, height, width } = origin.size;
    this.origin = origin;
    this.numRows = origin.paths.length;
    this.columns = {
      image: { dtype: "float32", shape: [channels, height, width] },
      label: { dtype: "int64", shape: [] },
    };
  }

  read(column: string, rows: readonly number[]): ElementArray {
    const { paths, labels, size } = this.origin;
    if (column === "label") return BigInt64Array.from(rows, (row) => BigInt(labels[row]!));
    const { channels, height, width } = size;
    const numElements = channels * height * width;
    const images = new Float32Array(rows.length * numElements);
    rows.forEach((row, i) => {
      const path = paths[row]!;
      const pixels = readPng(path);
      if (pixels.width !== width || pixels.height !== height)
        throw new DataSetError(
          "INVALID_DATA_SET",
          `all images of a folder must have one size, that of ${paths[0]}, ${width} x ${height}; got ${pixels.width} x ${pixels.height} in ${path}; scale or cut it`,
        );
      writePixels(pixels, size, images.subarray(i * numElements, (i + 1) * numElements));
    });
    return images;
  }
}

/** The data set of a folder of images. */
export class ImageFolder extends Images {
  /** The names of the subfolders, sorted by their code units; a label is a position in this list. */
  readonly classes: readonly string[];

  constructor(origin: Origin, classes: readonly string[]) {
    super(origin);
    this.classes = classes;
  }
}

/**
 * A folder with a subfolder of PNG images for each class, as torchvision's ImageFolder takes it. The column `image` has
 * float32 [channels, height, width] from 0 to 1, and `label` int64 []. All images have the size of the first; they are
 * decoded, to 8 bits, when a batch needs them. Files next to the subfolders, and hidden ones, are left out.
 * @throws FileError; DataSetError; OptionError
 *
 * @example
 * const set = imageFolder("digits", { channels: 1 });
 * console.log(set.classes, set.columns.image.shape);
 */
export function imageFolder(folder: string, options: ImageFolderOptions = {}): ImageFolder {
  const { channels = 3 } = checkedOptions("imageFolder", options, ["channels"]);
  if (channels !== 1 && channels !== 3 && channels !== 4)
    throw new OptionError(`channels of imageFolder must be 1, 3 or 4; got ${String(channels)}`);
  const classes = namesIn(folder, true);
  const paths: string[] = [];
  const labels: number[] = [];
  classes.forEach((name, label) => {
    const files = namesIn(join(folder, name), false);
    if (files.length === 0)
      throw new DataSetError(
        "INVALID_DATA_SET",
        `${join(folder, name)} must have at least one image; it has none; remove the folder, or fill it`,
      );
    for (const file of files) {
      const path = join(folder, name, file);
      if (!/\.png$/i.test(file))
        throw new DataSetError("INVALID_DATA_SET", `${path} must be a .png; convert it, or take it out`);
      paths.push(path);
      labels.push(label);
    }
  });
  if (paths.length === 0)
    throw new DataSetError(
      "INVALID_DATA_SET",
      `${folder} must have a subfolder of images for each class; it has no subfolder`,
    );
  const { height, width } = readPng(paths[0]!);
  return new ImageFolder({ kind: "images", paths, labels, size: { channels, height, width } }, classes);
}

/** The folders, or the files, of a folder, in an order that is the same on all machines. */
function namesIn(folder: string, areFolders: boolean): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() === areFolders && !entry.name.startsWith("."))
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    throw fileErrorOf(`the folder ${folder} cannot be read`, error);
  }
}
