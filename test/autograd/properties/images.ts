import fc from "fast-check";
import * as ops from "../../../src/autograd/index.ts";
import { type Property, property, small } from "./property.ts";

const numDims = fc.integer({ min: 1, max: 3 });
const each = (value: number, dims: number) => new Array<number>(dims).fill(value);
/** An image [N, C, ...spatial]; of C, each group has two. */
const image = fc.record({
  numDims,
  batch: fc.integer({ min: 0, max: 2 }),
  size: fc.integer({ min: 3, max: 5 }),
  groups: fc.integer({ min: 1, max: 2 }),
  kernel: fc.integer({ min: 1, max: 3 }),
  stride: fc.integer({ min: 1, max: 2 }),
  padding: fc.integer({ min: 0, max: 1 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  hasBias: fc.boolean(),
});
type Image = typeof image extends fc.Arbitrary<infer T> ? T : never;

const spatial = ({ numDims, size }: Image) => each(size, numDims);
const optionsOf = ({ stride, padding, groups, kernel, dilation }: Image) => ({
  stride,
  padding,
  groups,
  // A kernel of 3 with a dilation of 2 does not fit into 3 elements.
  dilation: kernel === 3 ? 1 : dilation,
});

const convolution = (isTransposed: boolean) =>
  property("convolution", {
    setting: image.filter(({ batch }) => batch > 0),
    shapes: (of) => [
      [of.batch, 2 * of.groups, ...spatial(of)],
      isTransposed
        ? [2 * of.groups, 3, ...each(of.kernel, of.numDims)]
        : [3 * of.groups, 2, ...each(of.kernel, of.numDims)],
      [3 * of.groups],
    ],
    ours: ([x, weight, bias], of) =>
      (isTransposed ? ops.convTranspose : ops.conv)(x!, weight!, of.hasBias ? bias! : null, optionsOf(of)),
    args: ([x, weight, bias], of) => {
      const { stride, padding, dilation, groups } = optionsOf(of);
      const sizes = [stride, padding, dilation].map((size) => each(size, of.numDims));
      return [x!, weight!, of.hasBias ? bias! : null, ...sizes, isTransposed, each(0, of.numDims), groups];
    },
  });

/** Pooling in one, two or three dimensions: LibTorch has an operator for each. */
function pooling(name: string, base: string, f: typeof ops.maxPool): Record<string, Property> {
  const windows = image.map((of) => ({
    ...of,
    batch: of.batch + 1,
    padding: of.kernel > 1 ? of.padding : 0,
  }));
  return Object.fromEntries(
    [1, 2, 3].map((dims) => [
      `${name}${dims === 2 ? "" : ` in ${dims}`}`,
      property(`${base}${dims}d`, {
        setting: windows.map((of) => ({ ...of, numDims: dims })),
        shapes: (of) => [[of.batch, of.groups, ...spatial(of)]],
        ours: ([x], { kernel, stride, padding }) => f(x!, kernel, { stride, padding }),
        args: ([x], { kernel, stride, padding }) => [
          x!,
          ...[kernel, stride, padding].map((size) => each(size, dims)),
        ],
      }),
    ]),
  );
}

const toSize = (name: string, f: typeof ops.adaptiveAvgPool, dims: number, ...more: boolean[]) =>
  property(name, {
    setting: fc.record({ size: small, to: fc.integer({ min: 1, max: 6 }), channels: small }),
    shapes: ({ size, channels }) => [[2, channels, ...each(size, dims)]],
    ours: ([x], { to }) => f(x!, each(to, dims)),
    args: ([x], { to }) => [x!, each(to, dims), ...more],
  });

export const IMAGES: Readonly<Record<string, Property>> = {
  conv: convolution(false),
  convTranspose: convolution(true),
  ...pooling("maxPool", "max_pool", ops.maxPool),
  ...pooling("avgPool", "avg_pool", ops.avgPool),
  adaptiveAvgPool: toSize("adaptive_avg_pool2d", ops.adaptiveAvgPool, 2),
  "adaptiveAvgPool in 1": toSize("adaptive_avg_pool1d", ops.adaptiveAvgPool, 1),
  "adaptiveAvgPool in 3": toSize("adaptive_avg_pool3d", ops.adaptiveAvgPool, 3),
  interpolate: toSize("upsample_nearest2d", ops.interpolate, 2),
  "interpolate in 1": toSize("upsample_nearest1d", ops.interpolate, 1),
  "interpolate in 3": toSize("upsample_nearest3d", ops.interpolate, 3),
  "interpolate bilinearly": toSize(
    "upsample_bilinear2d",
    (x, size) => ops.interpolate(x, size, "bilinear"),
    2,
    false,
  ),
  pad: property("constant_pad_nd", {
    setting: fc.record({
      shape: fc.array(small, { minLength: 1, maxLength: 4 }),
      before: fc.nat(2),
      after: fc.nat(2),
      value: fc.integer({ min: -3, max: 3 }),
    }),
    shapes: ({ shape }) => [shape],
    ours: ([x], { before, after, value }) => ops.pad(x!, [before, after], value),
    args: ([x], { before, after, value }) => [x!, [before, after], value],
  }),
  pixelShuffle: property("pixel_shuffle", {
    setting: fc.record({ channels: small, factor: small, size: small }),
    shapes: ({ channels, factor, size }) => [[2, channels * factor ** 2, size, 2]],
    ours: ([x], { factor }) => ops.pixelShuffle(x!, factor),
    args: ([x], { factor }) => [x!, factor],
  }),
  pixelUnshuffle: property("pixel_unshuffle", {
    setting: fc.record({ channels: small, factor: small, size: small }),
    shapes: ({ channels, factor, size }) => [[2, channels, size * factor, 2 * factor]],
    ours: ([x], { factor }) => ops.pixelUnshuffle(x!, factor),
    args: ([x], { factor }) => [x!, factor],
  }),
  im2col: property("im2col", {
    setting: image.map((of) => ({ ...of, numDims: 2, batch: of.batch + 1 })),
    shapes: (of) => [[of.batch, of.groups, ...spatial(of)]],
    ours: ([x], of) => {
      const { stride, padding, dilation } = optionsOf(of);
      return ops.im2col(x!, of.kernel, { stride, padding, dilation });
    },
    args: ([x], of) => {
      const { stride, padding, dilation } = optionsOf(of);
      return [x!, ...[of.kernel, dilation, padding, stride].map((size) => each(size, 2))];
    },
  }),
  gridSample: property("grid_sampler", {
    setting: fc.record({ channels: small, size: small, points: small }),
    shapes: ({ channels, size, points }) => [
      [2, channels, size, 3],
      [2, points, 2, 2],
    ],
    ours: ([x, grid]) => ops.gridSample(x!, grid!),
    args: ([x, grid]) => [x!, grid!, 0, 0, false],
    // Slopes change where a point passes an element.
    range: [-0.9, 0.9],
  }),
};
