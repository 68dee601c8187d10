import { isTest, type Node, type SourceFile, type Violation, walk } from "./repository.ts";

const BARE_ERRORS = new Set(["Error", "TypeError", "RangeError", "SyntaxError"]);

/** Errors that are not of a class of ours, so that a user cannot catch them by class or code. */
export function findBareErrors(files: readonly SourceFile[]): Violation[] {
  return sources(files).flatMap((file) => {
    const found: Violation[] = [];
    walk(file.program, (node) => {
      const callee = node.type === "NewExpression" ? nameOf(node.callee) : undefined;
      if (callee === undefined || !BARE_ERRORS.has(callee)) return;
      const line = file.text.slice(0, node.start).split("\n").length;
      found.push({
        file: `${file.path}:${line}`,
        rule: `it makes a plain ${callee}`,
        remedy: "use a DualPipeError for what a user can cause, an InternalError for a broken rule of ours",
      });
    });
    return found;
  });
}

/** Codes that two error classes share, and codes that are not in SCREAMING_SNAKE_CASE. */
export function findErrorCodes(files: readonly SourceFile[]): Violation[] {
  const owners = new Map<string, string>();
  const aliases = collectAliases(sources(files));
  return sources(files).flatMap((file) => {
    return errorClasses(file, aliases).flatMap(({ name, codes }) => {
      return codes.flatMap((code) => {
        const owner = owners.get(code);
        owners.set(code, owner ?? name);
        if (!/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/.test(code))
          return [
            { file: file.path, rule: `the code ${code} of ${name} is not upper case`, remedy: "SHOUT_IT" },
          ];
        if (owner === undefined) return [];
        const rule = `${owner} and ${name} share the code ${code}`;
        return [{ file: file.path, rule, remedy: "a code belongs to one class; rename one of them" }];
      });
    });
  });
}

function collectAliases(files: readonly SourceFile[]): Map<string, Node> {
  const aliases = new Map<string, Node>();
  for (const { program } of files) {
    walk(program, (node) => {
      if (node.type === "TSTypeAliasDeclaration") aliases.set(nameOf(node.id)!, node);
    });
  }
  return aliases;
}

interface ErrorClass {
  readonly name: string;
  readonly codes: readonly string[];
}

/** The classes of a file that extend DualPipeError, with the codes in its type argument. */
function errorClasses({ program }: SourceFile, aliases: ReadonlyMap<string, Node>): ErrorClass[] {
  const classes: ErrorClass[] = [];
  walk(program, (node) => {
    if (node.type !== "ClassDeclaration" || nameOf(node.superClass) !== "DualPipeError") return;
    const codes = new Set<string>();
    collectLiterals(node.superTypeArguments, aliases, codes);
    classes.push({ name: nameOf(node.id)!, codes: [...codes] });
  });
  return classes;
}

function collectLiterals(type: unknown, aliases: ReadonlyMap<string, Node>, codes: Set<string>): void {
  walk(type, (node) => {
    if (node.type === "Literal" && typeof node.value === "string") codes.add(node.value);
    const alias = node.type === "TSTypeReference" ? aliases.get(nameOf(node.typeName) ?? "") : undefined;
    if (alias !== undefined) collectLiterals(alias.typeAnnotation, aliases, codes);
  });
}

const sources = (files: readonly SourceFile[]) =>
  files.filter(({ path }) => path.startsWith("src/") && !isTest(path));

const nameOf = (node: unknown): string | undefined => (node as { name?: string } | null | undefined)?.name;
