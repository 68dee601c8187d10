import { isTest, type Node, type SourceFile, type Violation, walk } from "./repository.ts";

const TEST_FUNCTIONS = new Set(["test", "it", "describe", "suite", "bench"]);
/** A longer file does more than its name says, so it starts with its idea. */
const LINES_WITH_HEADER = 150;

/** Files with an idea that their name does not tell, however long they are. */
export const FILES_WITH_IDEAS: readonly string[] = [
  "native/dispatch.cpp",
  "native/mailbox.cpp",
  "native/memory.cpp",
  "src/autograd/backward.ts",
  "src/autograd/graph.ts",
  "src/autograd/recomputation.ts",
  "src/engine/executor.ts",
  "src/engine/link.ts",
  "src/engine/stage/module-stage.ts",
  "src/engine/parameters/shared-parameters.ts",
  "src/launch/hub/hub.ts",
  "src/launch/launcher/launch.ts",
  "src/models/model-family.ts",
  "src/schedule/lower/lower.ts",
  "src/schedule/schedules/bidirectional-steps.ts",
  "src/schedule/search/list-schedule.ts",
  "src/schedule/simulate/simulate.ts",
  "src/schedule/verify/progress.ts",
  "src/tensor/device.ts",
  "src/trainer/checkpoint/store.ts",
  "src/trainer/report/listener.ts",
  "src/transport/carrier.ts",
];

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

/** The place that reads the environment, where an empty variable is unset. */
const ENVIRONMENT = "src/errors/environment.ts";

/** Places of src/, other than that one, that read the environment. */
export function findEnvironmentReads(files: readonly SourceFile[]): Violation[] {
  const others = files.filter(({ path }) => path.startsWith("src/") && !isTest(path) && path !== ENVIRONMENT);
  return others.flatMap((file) => {
    let isFound = false;
    walk(file.program, (node) => {
      if (node.type !== "MemberExpression") return;
      const [object, property] = [node.object, node.property].map((part) => (part as Node | undefined)?.name);
      isFound ||= object === "process" && property === "env";
    });
    const rule = "the environment is read in one place, and this file reads it";
    return isFound ? [{ file: file.path, rule, remedy: `use what ${ENVIRONMENT} exports` }] : [];
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
export function findMissingHeaders(
  texts: ReadonlyMap<string, string>,
  listed: readonly string[],
): Violation[] {
  const gone = listed.filter((path) => !texts.has(path));
  const bare = [...texts].filter(([path, text]) => {
    const isLong = text.trimEnd().split("\n").length > LINES_WITH_HEADER;
    const needsHeader = listed.includes(path) || (isLong && /\.tsx?$/.test(path) && isSource(path));
    return needsHeader && !/^\/[*/]/.test(text);
  });
  return [
    ...gone.map((file) => ({
      file,
      rule: "test/tidy/code.ts lists it, but it is gone",
      remedy: "correct the list",
    })),
    ...bare.map(([file]) => ({
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
