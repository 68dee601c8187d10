import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { writePng } from "../../test/data/write-png.ts";
import { OptionError } from "../errors/option-error.ts";
import { FileError } from "../files/file-error.ts";
import { DataSetError } from "./data-set.ts";
import { imageFolder } from "./image-folder.ts";

const root = mkdtempSync(join(tmpdir(), "dualpipe-images-"));
afterAll(() => rmSync(root, { recursive: true }));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(root, "folder-"));
});

const COLOR = [255, 0, 51, 255, 0, 102, 204, 0];

test("classes are subfolders in the order of their names, and pixels go from 0 to 1, a channel at a time", () => {
  writePng(join(folder, "cat", "b.png"), 2, [0, 0, 0, 255, 255, 255, 255, 255], "rgb");
  writePng(join(folder, "cat", "a.PNG"), 2, COLOR);
  writePng(join(folder, "Ant", "x.png"), 2, [51, 51, 51, 255, 204, 204, 204, 255], "gray");
  writeFileSync(join(folder, "README.md"), "not an image");
  writeFileSync(join(folder, "cat", ".hidden"), "");
  const set = imageFolder(folder);
  expect(set.classes).toEqual(["Ant", "cat"]);
  expect(set.numRows).toBe(3);
  expect(set.columns.image).toEqual({ dtype: "float32", shape: [3, 1, 2] });
  expect(set.read("label", [0, 1, 2])).toEqual(BigInt64Array.of(0n, 1n, 1n));
  const pixels = (values: number[]) => Float32Array.from(values, (value) => value / 255);
  expect(set.read("image", [1, 0])).toEqual(pixels([255, 0, 0, 102, 51, 204, 51, 204, 51, 204, 51, 204]));
  expect(imageFolder(folder, { channels: 4 }).read("image", [1])).toEqual(
    pixels([255, 0, 0, 102, 51, 204, 255, 0]),
  );
  const [first, second] = imageFolder(folder, { channels: 1 }).read("image", [1]) as Float32Array;
  expect(first).toBeCloseTo((0.299 * 255 + 0.114 * 51) / 255, 6);
  expect(second).toBeCloseTo((0.587 * 102 + 0.114 * 204) / 255, 6);
});

test.each<[string, () => void, string]>([
  ["no subfolder", () => undefined, "must have a subfolder of images for each class; it has no subfolder"],
  ["an empty class", () => mkdirSync(join(folder, "cat")), "cat must have at least one image; it has none"],
  [
    "a file that is no PNG by its name",
    () => {
      writePng(join(folder, "cat", "a.png"), 2, COLOR);
      writeFileSync(join(folder, "cat", "b.jpg"), "");
    },
    "b.jpg must be a .png; convert it, or take it out",
  ],
  [
    "a file that is no PNG by its content",
    () => {
      mkdirSync(join(folder, "cat"));
      writeFileSync(join(folder, "cat", "a.png"), "GIF89a");
    },
    "a.png must be a PNG; it cannot be decoded",
  ],
  [
    "a size of its own",
    () => {
      writePng(join(folder, "cat", "a.png"), 2, COLOR);
      writePng(join(folder, "dog", "b.png"), 1, COLOR);
    },
    "a.png, 2 x 1; got 1 x 2 in ",
  ],
])("%s is refused, by the name of the file", (_, write, message) => {
  write();
  const read = () => {
    const set = imageFolder(folder);
    set.read("image", [...Array(set.numRows).keys()]);
  };
  expect(read).toThrow(DataSetError);
  expect(read).toThrow(message);
  expect(read).toThrow(folder);
});

test("a folder that does not exist, and options that make no sense, are refused", () => {
  expect(() => imageFolder(join(folder, "none"))).toThrow(FileError);
  expect(() => imageFolder(folder, { channels: 2 as never })).toThrow(OptionError);
  expect(() => imageFolder(folder, { size: 2 } as never)).toThrow("imageFolder has no option size");
});
