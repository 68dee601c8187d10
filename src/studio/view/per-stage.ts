/** The costs of one stage, which are written into the text of the cost: one number, or one for each stage. */
import type { CostKey, StepSettings } from "./settings.ts";

/** The costs that stages can have of their own. */
export const STAGE_COST_KEYS = ["F", "I", "W", "FB", "bytes"] as const satisfies readonly CostKey[];
export type StageCostKey = (typeof STAGE_COST_KEYS)[number];

/** The value of each stage as text; what cannot be read stays as it is. */
function valuesOf(costs: StepSettings["costs"], key: StageCostKey, numStages: number): string[] {
  const text = costs[key];
  const parts = text?.split("/");
  const own = (stage: number): string => (parts!.length === 1 ? parts![0]! : (parts![stage] ?? ""));
  return Array.from({ length: numStages }, (_, stage) => {
    if (parts !== undefined) return own(stage);
    if (key === "bytes") return "0";
    if (key !== "FB") return "1";
    const sum = (["F", "I", "W"] as const).reduce(
      (total, each) => total + Number(valuesOf(costs, each, numStages)[stage]),
      0,
    );
    return String(Number((sum * Number(costs.pairShare ?? 1)).toPrecision(6)));
  });
}

/** The cost of one stage, as text. */
export function stageCostOf(
  costs: StepSettings["costs"],
  key: StageCostKey,
  stage: number,
  numStages: number,
): string {
  return valuesOf(costs, key, numStages)[stage] ?? "";
}

/** The costs with another value of one stage; one number where all stages then have the same. */
export function withStageCost(
  costs: StepSettings["costs"],
  key: StageCostKey,
  stage: number,
  value: string,
  numStages: number,
): StepSettings["costs"] {
  const values = valuesOf(costs, key, numStages).with(stage, value);
  return { ...costs, [key]: values.every((each) => each === value) ? value : values.join("/") };
}
