/**
 * Tensors that no scope owns.
 *
 * One that is made outside of every scope, or returned from the outermost, lives until it is disposed. That is what a
 * model's constants want, and what a training loop without a scope suffers from: it runs out of memory, far from the
 * line that made the tensors. Freeing them in a finalizer would hide the mistake and free when the collector likes,
 * which sees a handle of a few bytes; so it is only reported, once in a process, with the place where it happens.
 *
 * There are two signs. A loop that never returns to the event loop never runs finalizers, but many such tensors are
 * alive at the same time. And where only few are lost, the collector finds objects whose elements were never freed.
 * Programs that do it right pay a counter per tensor made outside of scopes: a place is noted for the first few, and
 * again only while more than a few are alive.
 */
import { writeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Addon } from "../native/addon.ts";
import { describe } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** More alive than this are reported. */
const NUM_ALIVE_MAX = 200;
const FEW = 16;
const NUM_FRAMES_SHOWN = 3;
/** Deep enough to reach the caller's code from within a model. */
const STACK_DEPTH = 40;

const ADVICE =
  "Put the code into runtime.scope(() => { ... }), or declare its tensors by `using`. This is reported once.";

interface Made {
  /** Dtype and shape. */
  readonly what: string;
  readonly place: Place;
}

/** Where a tensor was made; the text of a stack is made when it is asked for. */
interface Place {
  readonly stack?: string;
}

/** The tensors of one thread that no scope owns. */
export class UnownedTensors {
  readonly #addon: Addon;
  #numAlive = 0;
  #numMade = 0;
  #isReported = false;
  #lost: FinalizationRegistry<Made> | undefined;

  constructor(addon: Addon) {
    this.#addon = addon;
  }

  /** Call when a tensor is left without a scope. */
  add(tensor: Tensor): void {
    if (this.#isReported) return;
    this.#numAlive++;
    this.#numMade++;
    const elements = tensor.watch(this);
    if (this.#numAlive > NUM_ALIVE_MAX)
      this.#report(
        `${this.#numAlive} tensors that no scope owns are alive; only dispose() frees them, so a loop that makes them runs ` +
          `out of memory. The last one, ${describe(tensor)}, was made at`,
        placeOf(),
      );
    else if (this.#numMade <= FEW || this.#numAlive > FEW) {
      this.#lost ??= new FinalizationRegistry((made) => this.#reportLost(made));
      this.#lost.register(elements, { what: describe(tensor), place: placeOf() }, elements);
    }
  }

  /** Call when one of them was freed, or has found another owner. */
  remove(elements: object): void {
    this.#numAlive--;
    this.#lost?.unregister(elements);
  }

  #reportLost({ what, place }: Made): void {
    this.#report(
      `a tensor ${what} that no scope owns was dropped, and its memory is not freed; only dispose() does that. It was made at`,
      place,
    );
  }

  #report(problem: string, place: Place): void {
    if (this.#isReported) return;
    this.#isReported = true;
    if (this.#addon.isFirst("unowned tensors"))
      say(`dualpipe: ${problem}\n${framesOf(place).join("\n")}\n${ADVICE}\n`);
  }
}

function placeOf(): Place {
  const { stackTraceLimit } = Error;
  const place: Place = {};
  Error.stackTraceLimit = STACK_DEPTH;
  Error.captureStackTrace(place);
  Error.stackTraceLimit = stackTraceLimit;
  return place;
}

/** The caller's lines of a stack: those of this package's own files say nothing to them. */
function framesOf({ stack = "" }: Place): string[] {
  const ours = fileURLToPath(new URL("..", import.meta.url));
  const frames = stack.split("\n").filter((line) => /^\s+at /.test(line));
  const theirs = frames.filter((line) => !line.includes(ours) && !line.includes("node:internal"));
  return (theirs.length > 0 ? theirs : frames).slice(0, NUM_FRAMES_SHOWN);
}

/** Writes at once: what a busy thread gives to a stream appears when it is idle, or never. */
function say(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // Standard error is closed, or full: nothing that matters to the program.
  }
}
