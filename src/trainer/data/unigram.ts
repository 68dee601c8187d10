/**
 * Mean loss, in nats a token, of a model that knows only how often each token is in `train` (each count plus one):
 * what a model that has learned anything of their order must beat on `validation`.
 */
export function unigramLoss(
  train: ArrayLike<number>,
  validation: ArrayLike<number>,
  vocabSize: number,
): number {
  const counts = new Float64Array(vocabSize).fill(1);
  for (let i = 0; i < train.length; i++) {
    counts[train[i]!]! += 1;
  }
  const logTotal = Math.log(train.length + vocabSize);
  let sum = 0;
  for (let i = 0; i < validation.length; i++) {
    sum += logTotal - Math.log(counts[validation[i]!]!);
  }
  return sum / validation.length;
}
