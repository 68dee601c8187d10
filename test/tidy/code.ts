import { isTest, type Node, type SourceFile, type Violation, walk } from "./repository.ts";

const TEST_FUNCTIONS = new Set(["test", "it", "describe", "suite", "bench"]);
/** A longer file does more than its name says, so it starts with its idea. */
const LINES_WITH_HEADER = 150;

/** `any`, and tests that are switched off or that switch off the others. */
export function findForbiddenSyntax(files: readonly SourceFile[]): Violation[] {
  return files.flatMap((file) => {
    const found = new Map<string, string>();
    walk(file.program, (node) => {
      if (node.type === "TSAnyKeyword") found.set("the type `any`", "name the type, or use `unknown`");
      const switched = isTest(file.path) ? switchedTest(node) : undefined;
      if (switched !== undefined)
        found.set(`a test with .${switched}`, "let all tests run, or remove this one");
    });
    return [...found].map(([rule, remedy]) => ({ file: file.path, rule, remedy }));
  });
}

function switchedTest(node: Node): string | undefined {
  if (node.type !== "MemberExpression") return undefined;
  const property = (node.property as Node | undefined)?.name;
  const object = (node.object as Node | undefined)?.name;
  const isSwitch = property === "only" || property === "skip";
  return isSwitch && TEST_FUNCTIONS.has(String(object)) ? property : undefined;
}

/** Source files that are long or listed, and do not start with a comment. */
export function findMissingHeaders(files: readonly SourceFile[], listed: readonly string[]): Violation[] {
  const missing = listed.filter((path) => !files.some((file) => file.path === path));
  const bare = files.filter(({ path, text }) => {
    const numLines = text.trimEnd().split("\n").length;
    const needsOne = listed.includes(path) || (numLines > LINES_WITH_HEADER && isSource(path));
    return needsOne && !/^(\/\*\*|\/\/)/.test(text.trimStart());
  });
  return [
    ...missing.map((file) => ({
      file,
      rule: "it is listed in test/tidy and gone",
      remedy: "correct the list",
    })),
    ...bare.map(({ path: file }) => ({
      file,
      rule: "it does not start with its idea",
      remedy:
        "open it with a comment: the problem, why the obvious solution fails, the idea, what always holds",
    })),
  ];
}

/** Operators of LibTorch that the source declares twice. */
export function findRepeatedOperators(files: readonly SourceFile[]): Violation[] {
  const declared = new Map<string, string>();
  return files
    .filter(({ path }) => isSource(path))
    .flatMap((file) => {
      const found: Violation[] = [];
      walk(file.program, (node) => {
        const name = operatorIn(node);
        if (name === undefined) return;
        const earlier = declared.get(name);
        if (earlier === undefined) declared.set(name, file.path);
        else
          found.push({
            file: file.path,
            rule: `${earlier} declares the operator ${name}, too`,
            remedy: "share one",
          });
      });
      return found;
    });
}

/** `aten::add.Tensor` where a node is `operator("aten::add", "Tensor")`. */
function operatorIn(node: Node): string | undefined {
  if (node.type !== "CallExpression" || (node.callee as { name?: string }).name !== "operator")
    return undefined;
  const words = (node.arguments as { value?: unknown }[]).map(({ value }) => value);
  return words.every((word) => typeof word === "string") ? words.join(".").replace(/\.$/, "") : undefined;
}

const isSource = (path: string): boolean => path.startsWith("src/") && !isTest(path);
