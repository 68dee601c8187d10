import fc from "fast-check";

/** Sizes of `minDims` to `maxDims` dimensions, each from 1 to 4. */
export function shapeOf(minDims: number, maxDims = minDims): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min: 1, max: 4 }), { minLength: minDims, maxLength: maxDims });
}

/** Shapes that broadcast against each other: suffixes of one shape, in which some sizes are 1. */
export function broadcastShapes(numShapes: number): fc.Arbitrary<number[][]> {
  return shapeOf(0, 4).chain((full) =>
    fc.array(
      fc
        .tuple(
          fc.integer({ min: 0, max: full.length }),
          fc.array(fc.boolean(), { minLength: full.length, maxLength: full.length }),
        )
        .map(([start, isOne]) => full.map((size, i) => (isOne[i] ? 1 : size)).slice(start)),
      { minLength: numShapes, maxLength: numShapes },
    ),
  );
}
