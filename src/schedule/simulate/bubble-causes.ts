/** The reasons why a rank did not compute; they add up to its bubble. */
export interface BubbleCauses {
  /** Waiting for values that had not been computed. */
  readonly data: number;
  /** Waiting for values that were under way. */
  readonly link: number;
  /** The rank was not waiting for a value, but had not begun to compute; only of a step that was measured. */
  readonly host?: number | undefined;
  /** What the rank has less to do than the busiest one: it would wait as long in any order. */
  readonly imbalance: number;
  /** From its own end to the end of the last rank. */
  readonly tail: number;
}

export interface RankIdleTime {
  readonly work: number;
  readonly dataWait: number;
  readonly linkWait: number;
  /** Undefined where it is part of `linkWait`. */
  readonly hostWait?: number | undefined;
}

/** Sums of thousands of times differ in their last digits. */
const ROUNDING = 1e-12;

/** The causes of each rank's bubble. Imbalance is subtracted from the tail first, then from the data waits. */
export function bubbleCauses(ranks: readonly RankIdleTime[], makespan: number): BubbleCauses[] {
  const mostWork = ranks.reduce((most, { work }) => Math.max(most, work), 0);
  return ranks.map(({ work, dataWait, linkWait, hostWait }) => {
    const rest = makespan - work - dataWait - linkWait - (hostWait ?? 0);
    const tail = rest > makespan * ROUNDING ? rest : 0;
    const ofTail = Math.min(tail, mostWork - work);
    const ofData = Math.min(dataWait, mostWork - work - ofTail);
    return {
      ...{ data: dataWait - ofData, link: linkWait, imbalance: ofTail + ofData, tail: tail - ofTail },
      ...(hostWait === undefined ? {} : { host: hostWait }),
    };
  });
}
