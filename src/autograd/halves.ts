/** The half of a backward that is I: the gradients of all that depends on a stage's inputs. */
export const INPUTS = 1;
/** The half that is W: all other gradients, those of parameters among them. */
export const WEIGHTS = 2;

/** What belongs to one half of a backward: an edge of the graph. */
export interface InHalf {
  /** INPUTS or WEIGHTS: which half of a backward walks this edge. */
  readonly half: number;
}
