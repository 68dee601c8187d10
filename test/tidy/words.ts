/**
 * One name per thing, and plain English. docs/architecture.md explains the words that we use; this file lists those
 * that we do not use, each with the word to use instead. The list holds for everything that people read: code,
 * comments, messages, tests and documents. Exceptions are names that others chose (torchrun's options, the formats of
 * files) and names that users already have in their configurations.
 */
import type { Violation } from "./repository.ts";

interface BannedWord {
  readonly pattern: RegExp;
  readonly say: string;
  /** The files in which it is banned; all by default. */
  readonly inside?: RegExp;
  /** Files that may use it. */
  readonly outside?: RegExp;
  /** Longer texts that may contain it. */
  readonly except?: RegExp;
}

const OF_PROCESSES =
  /^(src\/(launch|trainer|transport|cli)|native|docs|examples|test\/(gloo|hosts|processes|faults))\//;

/** Names of things of this project. */
const TERMS: readonly BannedWord[] = [
  {
    pattern: /\b\w*chunk\w*\b/i,
    except: /\bnumChunks\b|\bnum_chunks\b/,
    // PyTorch's name of an operator.
    outside: /^(src\/autograd\/(index|operators\/slice(\.test)?)|test\/autograd\/sweep\/arguments)\.ts$/,
    say: "micro-batch, or piece; numChunks is the name of an option of `step` alone",
  },
  {
    pattern: /\bmicroBatches\??: number\b(?!\[)/,
    // Configuration keys and command-line options keep the names that users type.
    inside: /^(src|bench)\/(?!trainer\/config|cli)/,
    say: "numMicroBatches",
  },
  { pattern: /\b(phases?|streams?|\w+(Phase|Stream))\b/i, inside: /^src\/schedule\//, say: "direction" },
  {
    pattern: /\bactivationEdges\b|\bdeferred\b/,
    inside: /^src\//,
    say: "backwardInputs and backwardWeights",
  },
  {
    pattern: /\bnodes?\b|\bnode[A-Z]\w*|\b(Node|NODE)[A-Z_]\w*/,
    inside: /^(src\/launch|docs\/launch)/,
    except:
      /\bNodeJS\.|\bnode[:_.[]|\.node\b|--nnodes|--node-rank|per-node|PET_\w+|NODE_\w+|SLURM_\w+|node --|node_modules/g,
    say: "host; a node is one of autograd's graph",
  },
  { pattern: /\b[A-Z]\w*Places?\b/, except: /\b(\w*InPlace)\b/g, say: "placement, or location" },
  { pattern: /\bonLost\b|\blossOf\b|#lose\b|\bLOST\b/, say: "disconnect; a loss is a number" },
  { pattern: /\bsigns? of life\b/i, say: "heartbeat" },
  {
    pattern: /\bsilence\w*/,
    inside: OF_PROCESSES,
    except: /\bsilenceSeconds\b|--silence-timeout|\bsilenceTimeout\b/g,
    say: "heartbeat timeout",
  },
  { pattern: /\btime-outs?\b|\bTIME_OUTS?\b/i, say: "timeout" },
  { pattern: /\btr(y|ies|ied|ying) (it )?again\b/i, say: "retry" },
  {
    pattern: /\b(meets?|met|meeting)\b|\bMet[A-Z]\w*|\bmet-\w+/,
    except: /--meet-timeout/g,
    inside: OF_PROCESSES,
    say: "connect, join or rendezvous",
  },
  { pattern: /\blower-rendezvous\b/, say: "synchronous sends" },
  {
    pattern: /c10d/i,
    except: /c10d::|c10d\/|"c10d"|USE_C10D_\w+/g,
    say: "Gloo, or torch.distributed",
  },
  { pattern: /\bnumFeatures\b/, inside: /^src\/(models|trainer)\//, say: "hiddenSize" },
  {
    pattern: /\bn_embd\b/,
    // Keys of Hugging Face's files.
    outside: /^src\/(models\/|trainer\/export-model|schedule\/plan\/(model\/parse|plan\.test)\.ts)|^test\//,
    say: "hiddenSize",
  },
];

/** Words that a native engineer would not write. */
const ENGLISH: readonly BannedWord[] = [
  { pattern: /\bwhoever\b/i, say: "the caller, the client, anyone who" },
  { pattern: /\b(nobody|somebody)\b/i, say: "nothing, no rank, another process" },
  { pattern: /\balike\b/i, say: "the same, equally" },
  { pattern: /\bmend(s|ed|ing)?\b/i, say: "fix" },
  { pattern: /\banew\b/i, say: "again" },
  { pattern: /\bparted\b/i, say: "separated" },
  { pattern: /\bbeside\b/i, say: "next to, or compared with" },
  { pattern: /\bso (many|long)\b(?! (as|that)\b)/i, say: "the number, the time" },
  { pattern: /\bin vain\b/i, say: "without success" },
  { pattern: /\bof the user's\b(?= *[,;.:)]|$)/i, say: "a user error" },
  { pattern: /\bto be called (when|once|after|before)\b/i, say: "call when" },
  {
    pattern: /(\/\*\*|^ +\*|[.;]) (Of which|By which|For which|To which|In which)\b/,
    say: "start with the subject",
  },
  { pattern: /\/\*\* (Of|By|Undefined but|None but) /, say: "start the docstring with its noun or verb" },
];

const IS_READ = /\.(tsx?|mjs|md|cpp|h|ya?ml|sh|sbatch|py|txt)$/;
// Data of other programs; this list and its test; the changelog, which gives old names.
const IS_EXEMPT = /\/golden\/|^test\/tidy\/(words|checker\.test)\.ts$|^CHANGELOG\.md$/;

/** Uses of the words above, one violation for each line and word. */
export function findBannedWords(texts: ReadonlyMap<string, string>): Violation[] {
  return [...texts].flatMap(([file, text]) => {
    if (!IS_READ.test(file) || IS_EXEMPT.test(file)) return [];
    return [...TERMS, ...ENGLISH]
      .filter(({ inside, outside }) => (inside?.test(file) ?? true) && !(outside?.test(file) ?? false))
      .flatMap((word) => findWord(file, text, word));
  });
}

function findWord(file: string, text: string, { pattern, except, say }: BannedWord): Violation[] {
  if (!new RegExp(pattern, `${pattern.flags}m`).test(text)) return [];
  return text.split("\n").flatMap((line, index) => {
    const found = pattern.exec(except === undefined ? line : line.replaceAll(new RegExp(except, "g"), ""));
    if (found === null) return [];
    return [{ file: `${file}:${index + 1}`, rule: `it says "${found[0].trim()}"`, remedy: `say: ${say}` }];
  });
}
