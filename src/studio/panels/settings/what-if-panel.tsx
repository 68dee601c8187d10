/** Disturbances to add to a step and to take away again. */
import { useSignal } from "@preact/signals";
import type { Session } from "../../session.ts";
import { isDisturbed, type StepSettings } from "../../view/settings.ts";
import { stallInWords } from "../../view/what-if.ts";
import { Chip } from "./chip.tsx";
import { Fold } from "./fold.tsx";

export function WhatIfPanel({ session, settings }: { session: Session; settings: StepSettings }) {
  const { stalls, slowStages, separatesPairs } = settings;
  const change = (change: Partial<StepSettings>) =>
    session.change(change, `what if ${JSON.stringify(change)}`);
  return (
    <Fold name="what-if" title="What if …" isUsed={isDisturbed(settings)}>
      <StallForm add={(stall) => change({ stalls: [...stalls, stall] })} />
      <SlowForm add={(slow) => change({ slowStages: [...slowStages, slow] })} />
      <label class="choice">
        <input
          type="checkbox"
          checked={separatesPairs}
          onChange={({ currentTarget }) => change({ separatesPairs: currentTarget.checked })}
        />
        pairs did not overlap <small>a forward, then its backward</small>
      </label>
      <ul class="chips">
        {stalls.map((text, i) => (
          <Chip key={text} words={inWords(text)} remove={() => change({ stalls: stalls.toSpliced(i, 1) })} />
        ))}
        {slowStages.map((text, i) => (
          <Chip
            key={text}
            words={`stage ${text.replace("x", " takes ")} times as long`}
            remove={() => change({ slowStages: slowStages.toSpliced(i, 1) })}
          />
        ))}
      </ul>
    </Fold>
  );
}

/** An address may have a text that is no stall, which the simulator explains. */
function inWords(text: string): string {
  try {
    return stallInWords(text);
  } catch {
    return text;
  }
}

function StallForm({ add }: { add: (stall: string) => void }) {
  const rank = useSignal("0");
  const to = useSignal("");
  const from = useSignal("10");
  const duration = useSignal("5");
  const submit = () =>
    add(`${rank.value}${to.value === "" ? "" : `-${to.value}`}@${from.value}+${duration.value}`);
  return (
    <div class="sentence">
      rank <Small label="stalled rank" text={rank} /> (to rank <Small label="receiving rank" text={to} />)
      stood still from <Small label="start of the stall" text={from} /> for{" "}
      <Small label="length of the stall" text={duration} />{" "}
      <button type="button" aria-label="Add the stall" onClick={submit}>
        Add
      </button>
    </div>
  );
}

function SlowForm({ add }: { add: (slow: string) => void }) {
  const stage = useSignal("0");
  const factor = useSignal("2");
  return (
    <div class="sentence">
      stage <Small label="slow stage" text={stage} /> took <Small label="times as long" text={factor} /> times
      as long{" "}
      <button
        type="button"
        aria-label="Add the slow stage"
        onClick={() => add(`${stage.value}x${factor.value}`)}
      >
        Add
      </button>
    </div>
  );
}

function Small({ label, text }: { label: string; text: { value: string } }) {
  return (
    <input
      class="small"
      type="text"
      inputMode="decimal"
      aria-label={label}
      value={text.value}
      onInput={({ currentTarget }) => {
        text.value = currentTarget.value.trim();
      }}
    />
  );
}
