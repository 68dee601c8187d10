/** The choices of a step: schedule, sizes, costs, memory, and how values are counted. */
import { schedules } from "../../../schedule/index.ts";
import type { Session } from "../../session.ts";
import {
  COST_CONTROLS,
  type CountKey,
  countControls,
  isSchedule,
  MEMORY_CONTROLS,
  numStagesOf,
  withSchedule,
} from "../../view/controls.ts";
import type { CostKey, MemoryKey, StepSettings } from "../../view/settings.ts";
import { NumberField } from "./number-field.tsx";
import { LinkCosts, StageCosts } from "./stage-costs.tsx";
import { WhatIfPanel } from "./what-if-panel.tsx";

export function ControlsPanel({ session }: { session: Session }) {
  const settings = session.settings.value;
  const { numRanks, numStages } = shapeOf(session, settings);
  return (
    <form class="controls" aria-label="Settings" onSubmit={(event) => event.preventDefault()}>
      <ScheduleChoice session={session} settings={settings} />
      {settings.program === undefined && isSchedule(settings.schedule) && (
        <Counts session={session} settings={settings} />
      )}
      <fieldset>
        <legend>Costs, in any unit of time</legend>
        {COST_CONTROLS.map((control) => (
          <NumberField
            key={control.key}
            control={control}
            text={settings.costs[control.key] ?? ""}
            change={(text) =>
              session.change({ costs: withText(settings.costs, control.key, text) }, control.key)
            }
          />
        ))}
        <p class="note">A field takes one number, or one for each stage: 1/1/2/1.</p>
        {numStages > 0 && <StageCosts session={session} settings={settings} numStages={numStages} />}
        {numRanks > 1 && <LinkCosts session={session} settings={settings} numRanks={numRanks} />}
      </fieldset>
      <fieldset>
        <legend>Memory, in any unit</legend>
        {MEMORY_CONTROLS.map((control) => (
          <NumberField
            key={control.key}
            control={control}
            text={settings.memory[control.key] ?? ""}
            change={(text) =>
              session.change({ memory: withText(settings.memory, control.key, text) }, control.key)
            }
          />
        ))}
      </fieldset>
      <Counting session={session} settings={settings} />
      <WhatIfPanel session={session} settings={settings} />
    </form>
  );
}

/** The numbers of ranks and stages; those of a program of a file are known once it was read. */
function shapeOf(session: Session, settings: StepSettings): { numRanks: number; numStages: number } {
  if (settings.program !== undefined) return session.step.value?.result ?? { numRanks: 0, numStages: 0 };
  return { numRanks: settings.numRanks, numStages: numStagesOf(settings) };
}

function withText<Key extends CostKey | MemoryKey>(
  texts: Readonly<Partial<Record<Key, string>>>,
  key: Key,
  text: string,
): Partial<Record<Key, string>> {
  const { [key]: _, ...rest } = texts as Record<Key, string>;
  return text === ""
    ? (rest as Partial<Record<Key, string>>)
    : { ...(rest as Record<Key, string>), [key]: text };
}

interface PartProps {
  readonly session: Session;
  readonly settings: StepSettings;
}

function ScheduleChoice({ session, settings }: PartProps) {
  const choose = (name: string) => {
    const { program: _, ...view } = session.view.value.settings;
    session.navigate({ ...session.view.value, settings: withSchedule(view, name) }, `schedule ${name}`);
  };
  const isCustom = settings.program !== undefined || !isSchedule(settings.schedule);
  return (
    <div class="field wide">
      <label for="schedule">
        Schedule <small>the order of the computations</small>
      </label>
      <select
        id="schedule"
        value={isCustom ? "" : settings.schedule}
        onChange={(event) => choose(event.currentTarget.value)}
      >
        {isCustom && <option value="">{settings.schedule}</option>}
        {schedules.map(({ name, title }) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
    </div>
  );
}

function Counts({ session, settings }: PartProps) {
  const change = (key: CountKey, text: string) => {
    if (/^\d{1,6}$/.test(text)) session.change({ [key]: Number(text) }, key);
  };
  return (
    <fieldset>
      <legend>Sizes</legend>
      {countControls(settings).map((control) => (
        <NumberField
          key={control.key}
          control={control}
          text={String(settings[control.key])}
          change={(text) => change(control.key, text)}
        />
      ))}
    </fieldset>
  );
}

function Counting({ session, settings }: PartProps) {
  const choices = [
    [false, "in the middle of a computation", "as the engine sends them"],
    [true, "at its end", "as papers draw and count"],
  ] as const;
  return (
    <fieldset>
      <legend>Values leave</legend>
      {choices.map(([whole, label, meaning]) => (
        <label class="choice" key={label}>
          <input
            type="radio"
            name="whole"
            checked={settings.whole === whole}
            onChange={() => session.change({ whole }, "whole")}
          />
          {label} <small>{meaning}</small>
        </label>
      ))}
    </fieldset>
  );
}
