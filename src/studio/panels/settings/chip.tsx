/** Something that was added to a step, with a button that takes it away. */
export function Chip({ words, remove }: { words: string; remove: () => void }) {
  return (
    <li>
      {words}
      <button type="button" aria-label={`Remove: ${words}`} onClick={remove}>
        ×
      </button>
    </li>
  );
}
