/** What the planner is asked: the model, by name, file or size, and the devices. */
import { useSignal } from "@preact/signals";
import { parseModelConfig } from "../../../schedule/index.ts";
import {
  DEVICE_CONTROLS,
  MODEL_CONTROLS,
  MODEL_NAMES,
  modelName,
  type PlanKey,
  type PlanTexts,
  withModel,
  withNamedModel,
} from "../../plan/plan-settings.ts";
import type { Session } from "../../session.ts";
import type { NumberControl } from "../../view/controls.ts";
import { NumberField } from "../settings/number-field.tsx";

export function PlanForm({ session }: { session: Session }) {
  const { texts } = session.view.value.plan;
  // A run that was picked belongs to the request before.
  const change = (next: PlanTexts, control: string) =>
    session.changePlan({ texts: next, pick: undefined }, control);
  const fields = (controls: readonly NumberControl<PlanKey>[]) =>
    controls.map((control) => (
      <NumberField
        key={control.key}
        control={control}
        text={texts[control.key] ?? ""}
        change={(text) => change(withText(texts, control.key, text), control.key)}
      />
    ));
  return (
    <form class="controls" aria-label="Model and devices" onSubmit={(event) => event.preventDefault()}>
      <ModelChoice texts={texts} change={change} />
      <details class="what-if">
        <summary>Sizes of the model</summary>
        {fields(MODEL_CONTROLS)}
      </details>
      <fieldset>
        <legend>Devices and batch</legend>
        {fields(DEVICE_CONTROLS)}
      </fieldset>
    </form>
  );
}

function withText(texts: PlanTexts, key: PlanKey, text: string): PlanTexts {
  const { [key]: _, ...rest } = texts;
  return text === "" ? rest : { ...rest, [key]: text };
}

interface ModelChoiceProps {
  readonly texts: PlanTexts;
  readonly change: (texts: PlanTexts, control: string) => void;
}

function ModelChoice({ texts, change }: ModelChoiceProps) {
  const problem = useSignal<string | undefined>(undefined);
  const open = async (file: File | undefined) => {
    if (file === undefined) return;
    try {
      change(withModel(texts, parseModelConfig(await file.text())), `model of ${file.name}`);
      problem.value = undefined;
    } catch (error) {
      problem.value = error instanceof Error && "problem" in error ? String(error.problem) : String(error);
    }
  };
  const name = modelName(texts);
  return (
    <div class="field wide">
      <label for="model">
        Model <small>a decoder-only transformer, dense or with experts</small>
      </label>
      <select
        id="model"
        value={name ?? ""}
        onChange={({ currentTarget }) =>
          change(withNamedModel(texts, currentTarget.value), `model ${currentTarget.value}`)
        }
      >
        {name === undefined && <option value="">of your own</option>}
        {MODEL_NAMES.map((known) => (
          <option key={known} value={known}>
            {known}
          </option>
        ))}
      </select>
      <label class="open">
        Open a config.json <small>of Hugging Face; it stays in this page</small>
        <input
          type="file"
          accept=".json,application/json"
          onChange={({ currentTarget }) => void open(currentTarget.files?.[0])}
        />
      </label>
      {problem.value && (
        <p class="problem" role="alert">
          {problem.value}
        </p>
      )}
    </div>
  );
}
