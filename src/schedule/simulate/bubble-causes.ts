/** Why a rank did not compute; the parts add up to its bubble. */
export interface BubbleCauses {
  /** Values that it needed had not been computed. */
  readonly data: number;
  /** Values that it needed were under way. */
  readonly link: number;
  /** Another rank had more work, so it would have had to wait in any order. */
  readonly imbalance: number;
  /** It was done before the last rank. */
  readonly tail: number;
}

export interface RankIdleTime {
  readonly work: number;
  readonly dataWait: number;
  readonly linkWait: number;
}

/** Sums of thousands of times differ in their last digits. */
const ROUNDING = 1e-12;

/** Imbalance is what a rank has less to do than the busiest; it is taken out of the tail, then of the data waits. */
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
