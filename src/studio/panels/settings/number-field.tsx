import type { NumberControl } from "../../view/controls.ts";

interface NumberFieldProps {
  readonly control: NumberControl<string>;
  /** The text of the field; empty for the default. */
  readonly text: string;
  readonly change: (text: string) => void;
}

/** A slider and a field for one number; the field also takes one number for each stage, with slashes. */
export function NumberField({ control, text, change }: NumberFieldProps) {
  const { key, label, meaning, min, max, step, empty } = control;
  const fieldId = `field-${key}`;
  const numbers = (text === "" ? String(Number.parseFloat(empty)) : text).split("/").map(Number);
  // Of a list, the slider stands at the mean.
  const value = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  return (
    <div class="field">
      <label for={fieldId}>
        {label} <small id={`${fieldId}-meaning`}>{meaning}</small>
      </label>
      <input
        type="range"
        aria-label={`${label}, ${meaning}`}
        min={min}
        max={max}
        step={step}
        value={Number.isFinite(value) ? value : max}
        onInput={({ currentTarget }) => change(currentTarget.value)}
      />
      <input
        id={fieldId}
        type="text"
        inputMode="decimal"
        autocomplete="off"
        aria-describedby={`${fieldId}-meaning`}
        placeholder={empty}
        value={text}
        onInput={({ currentTarget }) => change(currentTarget.value.trim())}
      />
    </div>
  );
}
