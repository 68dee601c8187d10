/** One text that stands for itself: no sequence of tokens is meant to run on from it into the next. */
export interface TextDocument {
  readonly name: string;
  readonly text: string;
}
