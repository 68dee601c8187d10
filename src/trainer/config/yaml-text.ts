/*
 * The text of a configuration as values, each of which still knows its line.
 *
 * YAML has two means against repetition, and a configuration may use both: aliases with merge keys (`<<: *base`), and
 * keys that begin with `x-`, as in Docker Compose, which hold what is only there to be aliased. The latter are left out
 * of the values.
 */
import { createRequire } from "node:module";
import type { Document, LineCounter, ParsedNode, YAMLMap } from "yaml";
import { problemOf } from "../../errors/dualpipe-error.ts";
import { ConfigError } from "./config-error.ts";

const require = createRequire(import.meta.url);

/** Loaded with the first configuration, since `import "dualpipe"` must not wait for it. */
export const yaml = () => require("yaml") as typeof import("yaml");

const MERGE_KEY = "<<";

export class YamlText {
  /** Plain objects, arrays and scalars, which nothing else holds. */
  readonly value: unknown;
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;

  /** @param file The name of the text in messages. @throws ConfigError CONFIG_BAD_YAML */
  constructor(text: string, file: string) {
    this.#lines = new (yaml().LineCounter)();
    this.#document = yaml().parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: true,
      merge: true,
    });
    const [yamlError] = this.#document.errors;
    if (yamlError !== undefined) throw badYaml(file, yamlError);
    try {
      this.value = plainCopy(this.#document.toJS());
    } catch (error) {
      // YAML refuses aliases without an anchor, and aliases that expand without limit.
      throw badYaml(file, error as Error);
    }
  }

  /** The line of a value, or undefined when the text does not give it. @param path The keys that lead to it. */
  lineOf(path: readonly string[]): number | undefined {
    let node: unknown = this.#document.contents;
    for (const key of path) node = this.#childOf(node, key);
    const offset = yaml().isNode(node) ? node.range?.[0] : undefined;
    return offset === undefined ? undefined : this.#lines.linePos(offset).line;
  }

  #childOf(node: unknown, key: string): unknown {
    const holder = this.#target(node);
    if (yaml().isSeq(holder)) return holder.items[Number(key)];
    if (!yaml().isMap(holder)) return undefined;
    const pairs = (holder as YAMLMap<ParsedNode, ParsedNode | null>).items;
    const own = pairs.find((pair) => keyOf(pair.key) === key);
    if (own !== undefined) return own.value ?? own.key;
    for (const pair of pairs.filter(({ key }) => keyOf(key) === MERGE_KEY)) {
      const merged = this.#target(pair.value);
      for (const each of yaml().isSeq(merged) ? merged.items : [merged]) {
        const child = this.#childOf(each, key);
        if (child !== undefined) return child;
      }
    }
    return undefined;
  }

  /** What an alias stands for; any other value itself. */
  #target(node: unknown): unknown {
    return yaml().isAlias(node) ? node.resolve(this.#document) : node;
  }
}

/** A key as text; that of a merge is a symbol with its text. */
function keyOf(key: unknown): string | undefined {
  if (!yaml().isScalar(key)) return undefined;
  return typeof key.value === "symbol" ? key.value.description : String(key.value);
}

function badYaml(file: string, error: Error): ConfigError {
  return new ConfigError("CONFIG_BAD_YAML", `${file}: ${problemOfYaml(error)}`);
}

/** What is wrong with a text of YAML, according to what reading it has thrown. */
export function problemOfYaml(error: Error): string {
  // The reader follows the nesting of the text by recursion.
  const [, where = ""] = /^Maximum call stack size exceeded( at line \d+)?/.exec(error.message) ?? [];
  const isTooDeep = error instanceof RangeError || where !== "";
  return isTooDeep ? `values must not be nested that deeply${where}` : problemOf(error).trim();
}

/**
 * A copy of a value of YAML without the keys that begin with `x-`, in which no two places share an object.
 * @param holders The objects on the way here, which an alias may contain again.
 * @throws ConfigError CONFIG_BAD_YAML when a value contains itself
 */
export function plainCopy(value: unknown, holders: readonly object[] = []): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (holders.includes(value))
    throw new ConfigError("CONFIG_BAD_YAML", "an alias must not be inside of what it stands for");
  const inside = [...holders, value];
  if (Array.isArray(value)) return value.map((item) => plainCopy(item, inside));
  const kept = Object.entries(value).filter(([key]) => !key.startsWith("x-"));
  return Object.fromEntries(kept.map(([key, item]) => [key, plainCopy(item, inside)]));
}
