import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";

interface FoldProps {
  readonly name: string;
  readonly title: string;
  /** Whether something in it was changed, so that it must be seen. */
  readonly isUsed: boolean;
  readonly children: ComponentChildren;
}

/** A part of the settings that can be folded away. It stays open when the last change in it is taken back. */
export function Fold({ name, title, isUsed, children }: FoldProps) {
  const isOpen = useSignal(isUsed);
  return (
    <details
      class={name}
      open={isOpen.value || isUsed}
      onToggle={({ currentTarget }) => {
        isOpen.value = currentTarget.open;
      }}
    >
      <summary>{title}</summary>
      {children}
    </details>
  );
}
