import { createHash } from "node:crypto";
import type { TokenizedDocuments } from "./tokens.ts";

/** Token ids to train on, and to validate on. */
export interface TokenSplit {
  readonly train: Uint16Array;
  readonly validation: Uint16Array;
}

/**
 * Holds out whole documents for validation until they have the wanted fraction of all tokens. The choice depends only
 * on the names of the documents, so runs with different seeds can be compared. Of a single document, the end is held
 * out.
 */
export function splitDocuments(
  { tokens, ends, names }: TokenizedDocuments,
  validationFraction: number,
): TokenSplit {
  const target = tokens.length * validationFraction;
  if (ends.length === 1) {
    const boundary = tokens.length - Math.round(target);
    return { train: tokens.slice(0, boundary), validation: tokens.slice(boundary) };
  }
  const heldOut = new Set<number>();
  let numHeldOutTokens = 0;
  for (const index of shuffledByName(names)) {
    if (numHeldOutTokens >= target || heldOut.size === ends.length - 1) break;
    heldOut.add(index);
    numHeldOutTokens += documentOf(tokens, ends, index).length;
  }
  const train = new Uint16Array(tokens.length - numHeldOutTokens);
  const validation = new Uint16Array(numHeldOutTokens);
  let trainLength = 0;
  let validationLength = 0;
  for (let index = 0; index < ends.length; index++) {
    const document = documentOf(tokens, ends, index);
    if (heldOut.has(index)) {
      validation.set(document, validationLength);
      validationLength += document.length;
    } else {
      train.set(document, trainLength);
      trainLength += document.length;
    }
  }
  return { train, validation };
}

function documentOf(tokens: Uint16Array, ends: Uint32Array, index: number): Uint16Array {
  return tokens.subarray(index === 0 ? 0 : ends[index - 1]!, ends[index]!);
}

function shuffledByName(names: readonly string[]): readonly number[] {
  const hashes = names.map((name) => createHash("sha256").update(name).digest("hex"));
  return [...names.keys()].sort((a, b) => (hashes[a]! < hashes[b]! ? -1 : 1));
}
