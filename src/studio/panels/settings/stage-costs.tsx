/** The costs of one stage and of one link: the one is chosen, and its sliders change only that. */
import { useSignal } from "@preact/signals";
import type { Session } from "../../session.ts";
import { COST_CONTROLS, type NumberControl } from "../../view/controls.ts";
import { findLink, linkInWords, parseLink, withLink } from "../../view/links.ts";
import { STAGE_COST_KEYS, stageCostOf, withStageCost } from "../../view/per-stage.ts";
import type { CostKey, StepSettings } from "../../view/settings.ts";
import { Chip } from "./chip.tsx";
import { Fold } from "./fold.tsx";
import { NumberField } from "./number-field.tsx";

interface PartProps {
  readonly session: Session;
  readonly settings: StepSettings;
}

const controlOf = (key: CostKey) => COST_CONTROLS.find((control) => control.key === key)!;

/** A control that chooses one of some numbered things. */
const choiceOf = (
  key: string,
  label: string,
  meaning: string,
  numChoices: number,
): NumberControl<string> => ({ key, label, meaning, min: 0, max: numChoices - 1, step: 1, empty: "0" });

const isIndex = (text: string, length: number) => /^\d{1,6}$/.test(text) && Number(text) < length;

export function StageCosts({ session, settings, numStages }: PartProps & { numStages: number }) {
  const chosen = useSignal(0);
  const stage = Math.min(chosen.value, numStages - 1);
  const { costs } = settings;
  return (
    <Fold
      name="one-stage"
      title="Costs of one stage"
      isUsed={Object.values(costs).some((text) => text.includes("/"))}
    >
      <NumberField
        control={choiceOf("stage", "Stage", "which one the sliders below change", numStages)}
        text={String(stage)}
        change={(text) => {
          if (isIndex(text, numStages)) chosen.value = Number(text);
        }}
      />
      {STAGE_COST_KEYS.map((key) => {
        const { label, meaning, ...control } = controlOf(key);
        return (
          <NumberField
            key={key}
            control={{ ...control, key: `stage-${key}`, label: `${label} of stage ${stage}`, meaning }}
            text={stageCostOf(costs, key, stage, numStages)}
            change={(text) =>
              session.change(
                { costs: withStageCost(costs, key, stage, text, numStages) },
                `${key} of stage ${stage}`,
              )
            }
          />
        );
      })}
    </Fold>
  );
}

export function LinkCosts({ session, settings, numRanks }: PartProps & { numRanks: number }) {
  const ends = useSignal({ from: "0", to: "1" });
  const { from, to } = ends.value;
  const { links, costs } = settings;
  const text = findLink(links, from, to);
  const own = readLink(text) ?? { latency: costs.link ?? "0", bandwidth: costs.bandwidth ?? "" };
  const change = (part: Partial<typeof own>) =>
    session.change({ links: withLink(links, from, to, { ...own, ...part }) }, `link ${from}-${to}`);
  const choose = (end: "from" | "to") => (value: string) => {
    if (isIndex(value, numRanks)) ends.value = { ...ends.value, [end]: value };
  };
  return (
    <Fold name="one-link" title="One link" isUsed={links.length > 0}>
      <NumberField
        control={choiceOf("link-from", "From rank", "the sender", numRanks)}
        text={from}
        change={choose("from")}
      />
      <NumberField
        control={choiceOf("link-to", "To rank", "the receiver", numRanks)}
        text={to}
        change={choose("to")}
      />
      <NumberField
        control={{ ...controlOf("link"), key: "link-latency", label: "Latency of this link" }}
        text={own.latency}
        change={(latency) => change({ latency })}
      />
      <NumberField
        control={{ ...controlOf("bandwidth"), key: "link-bandwidth", label: "Bandwidth of this link" }}
        text={own.bandwidth}
        change={(bandwidth) => change({ bandwidth })}
      />
      <ul class="chips">
        {links.map((each, i) => (
          <Chip
            key={each}
            words={linkInWords(each)}
            remove={() => session.change({ links: links.toSpliced(i, 1) }, `no link ${each}`)}
          />
        ))}
      </ul>
    </Fold>
  );
}

function readLink(text: string | undefined): { latency: string; bandwidth: string } | undefined {
  if (text === undefined) return undefined;
  try {
    const { latency, bandwidth } = parseLink(text);
    return { latency: String(latency), bandwidth: bandwidth === undefined ? "" : String(bandwidth) };
  } catch {
    // While it is typed, a number may have no digit yet.
    const [latency = "", bandwidth = ""] = text.replace(/^[^@]*@/, "").split("/");
    return { latency, bandwidth };
  }
}
