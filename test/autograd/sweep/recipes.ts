/**
 * Arguments for operators that the rules of arguments.ts find none for: those of convolutions, recurrent networks and
 * the like have shapes that depend on each other.
 */
import type { Argument } from "../../../src/tensor/calls/native-arguments.ts";
import type { DType } from "../../../src/tensor/dtype.ts";
import type { Runtime } from "../../../src/tensor/runtime.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { elements } from "./arguments.ts";

/** Makes tensors: of elements between 0.1 and 0.9, and of whole numbers. */
interface Make {
  (...shape: readonly number[]): Tensor;
  ints(numbers: readonly number[], shape?: readonly number[], dtype?: DType): Tensor;
}

type Recipe = (make: Make) => readonly Argument[];

const MASK = [true, true, true];

/** Weights of one layer of a recurrent network with 3 inputs and 2 hidden numbers, and `gates` of each. */
const layer = (make: Make, gates: number) => [
  make(gates * 2, 3),
  make(gates * 2, 2),
  make(gates * 2),
  make(gates * 2),
];
const recurrent =
  (gates: number): Recipe =>
  (make) => [make(4, 2, 3), make(1, 2, 2), layer(make, gates), true, 1, 0, false, false, false];
const packed =
  (gates: number): Recipe =>
  (make) => [make(5, 3), make.ints([2, 2, 1]), make(1, 2, 2), layer(make, gates), true, 1, 0, false, false];
const transposed = (numDims: number): Recipe => {
  const spatial = new Array<number>(numDims).fill(3);
  return (make) => [make(2, 3, ...spatial), make(3, 2, ...spatial), make(2)];
};
/** Convolutions that are told the size of their kernel. */
const sized = (numDims: number): Recipe => {
  const [image, kernel] = [new Array<number>(numDims).fill(4), new Array<number>(numDims).fill(2)];
  return (make) => [make(2, 3, ...image), make(2, 3, ...kernel), kernel, make(2)];
};
const sizedTransposed = (numDims: number): Recipe => {
  const [image, kernel] = [new Array<number>(numDims).fill(4), new Array<number>(numDims).fill(2)];
  return (make) => [make(2, 3, ...image), make(3, 2, ...kernel), kernel, make(2)];
};
/** Padding backwards: the gradient is larger than the input. */
const padded = (numDims: number): Recipe => {
  const pads = new Array<number>(2 * numDims).fill(1);
  const sizes = (size: number) => new Array<number>(numDims).fill(size);
  return (make) => [make(1, 2, ...sizes(6)), make(1, 2, ...sizes(4)), pads];
};
const averageBackward = (numDims: number): Recipe => {
  const sizes = (size: number) => new Array<number>(numDims).fill(size);
  return (make) => [
    make(1, 2, ...sizes(3)),
    make(1, 2, ...sizes(4)),
    sizes(2),
    sizes(1),
    sizes(0),
    false,
    true,
    null,
  ];
};
const sampled = (numDims: number, ...more: Argument[]): Recipe => {
  const sizes = new Array<number>(numDims).fill(3);
  return (make) => [make(1, 2, ...sizes), make(1, ...sizes, numDims), 0, 0, false, ...more];
};
/** An interpolation that takes a size or factors. */
const toSize = (numDims: number, ...more: Argument[]): Recipe => {
  const size = new Array<number>(numDims).fill(6);
  return (make) => [make(1, 2, ...new Array<number>(numDims).fill(3)), size, ...more, null];
};
const toSizeBackward = (numDims: number, ...more: Argument[]): Recipe => {
  const sizes = (size: number) => new Array<number>(numDims).fill(size);
  return (make) => [make(1, 2, ...sizes(6)), sizes(6), [1, 2, ...sizes(3)], ...more, null];
};
const bag: Recipe = (make) => [make(4, 3), make.ints([0, 2, 1, 3]), make.ints([0, 2])];
const labels = (make: Make) => [make(4, 2, 3), make.ints([1, 2, 2, 1], [2, 2])] as const;
const pivoted = (make: Make) => [make(3, 3), make.ints([1, 2, 3], [3], "int32")] as const;

const RECIPES: Readonly<Record<string, Recipe>> = {
  adaptive_max_pool2d_backward: (make) => [make(1, 1, 1, 1), make(1, 1, 2, 2), make.ints([3], [1, 1, 1, 1])],
  adaptive_max_pool3d_backward: (make) => [
    make(1, 1, 1, 1, 1),
    make(1, 1, 1, 2, 2),
    make.ints([3], [1, 1, 1, 1, 1]),
  ],
  affine_grid_generator: (make) => [make(1, 2, 3), [1, 2, 3, 3], false],
  affine_grid_generator_backward: (make) => [make(1, 3, 3, 2), [1, 2, 3, 3], false],
  avg_pool2d_backward: averageBackward(2),
  avg_pool3d_backward: averageBackward(3),
  batch_norm: (make) => [make(4, 3, 2), make(3), make(3), null, null, true, 0.1, 1e-5, false],
  clamp: (make) => [make(3, 4), 0.3, 0.6],
  clip: (make) => [make(3, 4), 0.3, 0.6],
  col2im: (make) => [make(1, 4, 9), [4, 4], [2, 2], [1, 1], [0, 0], [1, 1]],
  conv_tbc: (make) => [make(4, 2, 3), make(2, 3, 2), make(2)],
  "conv_transpose2d.input": transposed(2),
  "conv_transpose3d.input": transposed(3),
  convolution_backward: (make) => {
    const image = [make(1, 2, 3, 3), make(1, 3, 4, 4), make(2, 3, 2, 2)];
    return [...image, [2], [1, 1], [0, 0], [1, 1], false, [0, 0], 1, MASK];
  },
  "ctc_loss.IntList": (make) => [...labels(make), [4, 3], [2, 1]],
  "ctc_loss.Tensor": (make) => [...labels(make), make.ints([4, 3]), make.ints([2, 1])],
  _ctc_loss: (make) => [...labels(make), [4, 3], [2, 1]],
  diagonal_backward: (make) => [make(3), [3, 4], 0, 0, 1],
  einsum: (make) => ["ij,jk->ik", [make(2, 3), make(3, 4)]],
  embedding: (make) => [make(4, 3), make.ints([0, 2, 2])],
  embedding_bag: bag,
  _embedding_bag: bag,
  _embedding_bag_forward_only: bag,
  "embedding_bag.padding_idx": (make) => [...bag(make), false, 0, false, null, false, null],
  embedding_backward: (make) => [make(3, 2), make.ints([0, 2, 2]), 4, -1, false, false],
  embedding_dense_backward: (make) => [make(3, 2), make.ints([0, 2, 2]), 4, -1, false],
  fractional_max_pool2d: (make) => [make(1, 2, 5, 5), [2, 2], [3, 3], make(1, 2, 2)],
  fractional_max_pool3d: (make) => [make(1, 2, 5, 5, 5), [2, 2, 2], [3, 3, 3], make(1, 2, 3)],
  glu_jvp: (make) => [make(2), make(4), make(4), 0],
  glu_backward_jvp: (make) => [make(4), make(2), make(4), make(2), make(4), 0],
  "gradient.tensorarray": (make) => [make(4), [make.ints([0, 1, 2, 4])], [0]],
  grid_sampler: sampled(2),
  grid_sampler_2d: sampled(2),
  grid_sampler_3d: sampled(3),
  _grid_sampler_2d_cpu_fallback: sampled(2),
  grid_sampler_2d_backward: (make) => [make(1, 2, 3, 3), ...sampled(2, [true, true])(make)],
  grid_sampler_3d_backward: (make) => [make(1, 2, 3, 3, 3), ...sampled(3, [true, true])(make)],
  group_norm: (make) => [make(2, 4, 3), 2, make(4), make(4)],
  native_group_norm: (make) => [make(2, 4, 3), make(4), make(4), 2, 4, 3, 2, 1e-5],
  "gru.data": packed(3),
  "gru.input": recurrent(3),
  gru_cell: (make) => [make(2, 3), make(2, 2), ...layer(make, 3)],
  index_add: (make) => [make(3, 4), 0, make.ints([2, 0]), make(2, 4)],
  index_copy: (make) => [make(3, 4), 0, make.ints([2, 0]), make(2, 4)],
  "index_fill.int_Tensor": (make) => [make(3, 4), 0, make.ints([2, 0]), make()],
  index_reduce: (make) => [make(3, 4), 0, make.ints([2, 0, 2]), make(3, 4), "prod"],
  istft: (make) => [make(3, 5, 2), 4],
  "linalg_cond.p_str": (make) => [make(3, 3), "fro"],
  linalg_lu_solve: (make) => [...pivoted(make), make(3, 2)],
  linalg_matrix_norm: (make) => [make(3, 4), 1],
  linalg_tensorinv: (make) => [make(2, 3, 6), 2],
  "lstm.data": (make) => {
    const hidden = [make(1, 2, 2), make(1, 2, 2)];
    return [make(5, 3), make.ints([2, 2, 1]), hidden, layer(make, 4), true, 1, 0, false, false];
  },
  "lstm.input": (make) => {
    const hidden = [make(1, 2, 2), make(1, 2, 2)];
    return [make(4, 2, 3), hidden, layer(make, 4), true, 1, 0, false, false, false];
  },
  lstm_cell: (make) => [make(2, 3), [make(2, 2), make(2, 2)], ...layer(make, 4)],
  lu_solve: (make) => [make(3, 2), ...pivoted(make)],
  lu_unpack: (make) => [...pivoted(make)],
  masked_scatter: (make) => [make(2, 3), make.ints([1, 0, 1, 0, 1, 1], [2, 3], "bool"), make(4)],
  max_pool2d_with_indices_backward: (make) => {
    const image = [make(1, 1, 1, 1), make(1, 1, 2, 2), [2, 2], [2, 2], [0, 0], [1, 1], false];
    return [...image, make.ints([3], [1, 1, 1, 1])];
  },
  max_pool3d_with_indices_backward: (make) => {
    const windows = [[2, 2, 2], [2, 2, 2], [0, 0, 0], [1, 1, 1], false];
    return [make(1, 1, 1, 1, 1), make(1, 1, 2, 2, 2), ...windows, make.ints([3], [1, 1, 1, 1, 1])];
  },
  max_unpool2d: (make) => [make(1, 1, 2, 2), make.ints([0, 3, 8, 11], [1, 1, 2, 2]), [4, 4]],
  max_unpool3d: (make) => {
    const indices = make.ints([0, 3, 8, 11], [1, 1, 1, 2, 2]);
    return [make(1, 1, 1, 2, 2), indices, [1, 4, 4], [1, 2, 2], [0, 0, 0]];
  },
  multi_margin_loss: (make) => [make(3, 4), make.ints([0, 3, 1]), 1, 1],
  multi_margin_loss_backward: (make) => [make(), make(3, 4), make.ints([0, 3, 1]), 1, 1],
  multilabel_margin_loss: (make) => [make(2, 3), make.ints([0, 2, -1, 1, -1, 0], [2, 3])],
  multinomial: (make) => [make(3, 4), 2],
  mvlgamma: (make) => [elements(make().runtime, [3], 2.1), 2],
  special_multigammaln: (make) => [elements(make().runtime, [3], 2.1), 2],
  "narrow.Tensor": (make) => [make(4, 3), 0, make.ints([1], []), 2],
  native_batch_norm: (make) => [make(4, 3, 2), make(3), make(3), null, null, true, 0.1, 1e-5],
  native_batch_norm_backward: (make) => {
    const statistics = [null, null, make(3), make(3)];
    return [make(4, 3, 2), make(4, 3, 2), make(3), ...statistics, true, 1e-5, MASK];
  },
  native_group_norm_backward: (make) => {
    return [make(2, 4, 3), make(2, 4, 3), make(2, 2), make(2, 2), make(4), 2, 4, 3, 2, MASK];
  },
  native_layer_norm: (make) => [make(4, 3), [3], make(3), make(3), 1e-5],
  nll_loss_backward: (make) => [make(), make(3, 4), make.ints([0, 3, 1]), null, 1, -100, make()],
  "nuclear_norm.dim": (make) => [make(3, 4), [0, 1]],
  ormqr: (make) => [make(4, 3), make(3), make(4, 2)],
  prelu: (make) => [make(2, 3), make(3)],
  put: (make) => [make(3, 4), make.ints([2, 7]), make(2)],
  reflection_pad1d_backward: padded(1),
  reflection_pad2d_backward: padded(2),
  reflection_pad3d_backward: padded(3),
  replication_pad1d_backward: padded(1),
  replication_pad2d_backward: padded(2),
  replication_pad3d_backward: padded(3),
  "rnn_relu.data": packed(1),
  "rnn_relu.input": recurrent(1),
  "rnn_tanh.data": packed(1),
  "rnn_tanh.input": recurrent(1),
  rnn_relu_cell: (make) => [make(2, 3), make(2, 2), ...layer(make, 1)],
  rnn_tanh_cell: (make) => [make(2, 3), make(2, 2), ...layer(make, 1)],
  "scatter.reduce": (make) => [make(3, 4), 0, make.ints([0, 2, 1, 0], [1, 4]), make(1, 4), "multiply"],
  "scatter.value_reduce": (make) => [make(3, 4), 0, make.ints([0, 2, 1, 0], [1, 4]), 2, "multiply"],
  segment_reduce: (make) => [make(4, 2), "max", make.ints([1, 3])],
  select_backward: (make) => [make(4), [3, 4], 0, 1],
  slow_conv3d: (make) => [make(1, 2, 3, 3, 3), make(2, 2, 2, 2, 2), [2, 2, 2], make(2)],
  slow_conv_dilated2d: sized(2),
  slow_conv_dilated3d: sized(3),
  slow_conv_transpose2d: sizedTransposed(2),
  slow_conv_transpose3d: sizedTransposed(3),
  "split.sizes": (make) => [make(4, 3), [1, 3]],
  "tensor_split.tensor_indices_or_sections": (make) => [make(4, 3), make.ints([1, 2])],
  thnn_conv2d: sized(2),
  trace_backward: (make) => [make(), [3, 4]],
  unflatten_dense_tensors: (make) => [make(7), [make(3), make(2, 2)]],
  unfold_backward: (make) => [make(3, 2), [4], 0, 2, 1],
  "upsample_bicubic2d.vec": toSize(2, false),
  "upsample_bicubic2d_backward.vec": toSizeBackward(2, false),
  "upsample_bilinear2d.vec": toSize(2, false),
  "upsample_bilinear2d_backward.vec": toSizeBackward(2, false),
  "upsample_linear1d.vec": toSize(1, false),
  "upsample_linear1d_backward.vec": toSizeBackward(1, false),
  "upsample_trilinear3d.vec": toSize(3, false),
  "upsample_trilinear3d_backward.vec": toSizeBackward(3, false),
  ...Object.fromEntries(
    [1, 2, 3].flatMap((numDims) =>
      ["upsample_nearest", "_upsample_nearest_exact"].flatMap((name) => [
        [`${name}${numDims}d.vec`, toSize(numDims)],
        [`${name}${numDims}d_backward.vec`, toSizeBackward(numDims)],
      ]),
    ),
  ),
  view_as_complex: (make) => [make(3, 2)],
  // With another shape of g, LibTorch reads and writes past its end.
  _weight_norm: (make) => [make(4, 3), make(4, 1), 0],
  _weight_norm_interface: (make) => [make(4, 3), make(4, 1), 0],
};

/** The arguments for an operator, by its name and overload; undefined where the rules make them. */
export function recipeFor(runtime: Runtime, name: string): (readonly Argument[])[] | undefined {
  const recipe = RECIPES[name.replace(/^aten::/, "")];
  if (recipe === undefined) return undefined;
  const make: Make = Object.assign((...shape: readonly number[]) => elements(runtime, shape, 0.1), {
    ints: (numbers: readonly number[], shape: readonly number[] = [numbers.length], dtype: DType = "int64") =>
      runtime.tensor(numbers, shape, dtype),
  });
  return [recipe(make)];
}
