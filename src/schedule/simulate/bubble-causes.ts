/** The reasons why a rank did not compute; they add up to its bubble. */
export interface BubbleCauses {
  /** Waiting for values that had not been computed. */
  readonly data: number;
  /** Waiting for values that were under way. */
  readonly link: number;
  /** What the rank has less to do than the busiest one: it would wait as long in any order. */
  readonly imbalance: number;
  /** From its own end to the end of the last rank. */
  readonly tail: number;
}

export interface RankIdleTime {
  readonly work: number;
  readonly dataWait: number;
  readonly linkWait: number;
}

/** Sums of thousands of times differ in their last digits. */
const ROUNDING = 1e-12;

/** The causes of each rank's bubble. Imbalance is subtracted from the tail first, then from the data waits. */
export function bubbleCauses(ranks: readonly RankIdleTime[], makespan: number): BubbleCauses[] {
  const mostWork = ranks.reduce((most, { work }) => Math.max(most, work), 0);
  return ranks.map(({ work, dataWait, linkWait }) => {
    const rest = makespan - work - dataWait - linkWait;
    const tail = rest > makespan * ROUNDING ? rest : 0;
    const ofTail = Math.min(tail, mostWork - work);
    const ofData = Math.min(dataWait, mostWork - work - ofTail);
    return { data: dataWait - ofData, link: linkWait, imbalance: ofTail + ofData, tail: tail - ofTail };
  });
}
