import { KIND_IN_WORDS } from "../../schedule/draw/bars.ts";
import { blockColour, cssColour } from "../chart/palette.ts";

const KINDS = ["F", "I", "W", "B"] as const;

/** What the colours, patterns and frames mean. */
export function Legend({ hasBothDirections }: { hasBothDirections: boolean }) {
  return (
    <ul class="legend" aria-label="Legend">
      {KINDS.map((kind) => (
        <li key={kind}>
          <span
            class={`swatch swatch-${kind}`}
            style={{ backgroundColor: cssColour(blockColour(kind, 0, 0)) }}
          />
          {kind} {KIND_IN_WORDS[kind]}
        </li>
      ))}
      <li>
        <span class="swatch swatch-pair" />F with B, overlapped
      </li>
      {hasBothDirections && (
        <li>
          <span class="swatch" style={{ backgroundColor: cssColour(blockColour("F", 1, 0)) }} />
          lighter: from last rank to first
        </li>
      )}
    </ul>
  );
}
