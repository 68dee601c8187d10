// The names of tensors in a checkpoint: parameters have those that they have in the whole model, other tensors a prefix
// that no parameter's name starts with.

/** Prefix of the model's buffers, which are named as in the whole model after it. */
export const BUFFER_PREFIX = "buffer/";
/** Prefix of the optimizer's tensors, which are named `PARAMETER.SLOT`. */
export const OPTIMIZER_PREFIX = "optimizer/";
/** Prefix of the states of random generators, followed by the rank. */
export const RANDOM_PREFIX = "random/";

/** Whether a tensor of a checkpoint is a buffer. A mask has infinities, so a buffer may have them. */
export function isBuffer(name: string): boolean {
  return name.startsWith(BUFFER_PREFIX);
}

/** The name of a parameter or buffer in the whole model; undefined for what is not the model's. */
export function nameInModel(name: string): string | undefined {
  if (isBuffer(name)) return name.slice(BUFFER_PREFIX.length);
  return name.startsWith(OPTIMIZER_PREFIX) || name.startsWith(RANDOM_PREFIX) ? undefined : name;
}
