import { signal } from "@preact/signals";
import { readChromeTrace, type Timeline } from "../../schedule/index.ts";
import { keepTrace, readTrace, traceId } from "./trace-store.ts";

/** The measured steps that were opened from files, by their names in addresses. */
export class Traces {
  /** Each with its timeline; undefined for one that this browser has not opened. */
  readonly loaded = signal<ReadonlyMap<string, Timeline | undefined>>(new Map());
  readonly #asked = new Set<string>();

  /** Keeps a trace that was opened. @returns Its name in addresses. */
  open(name: string, text: string, timeline: Timeline): string {
    const id = traceId(name, text);
    this.#asked.add(id);
    this.loaded.value = new Map([...this.loaded.value, [id, timeline]]);
    void keepTrace(id, text);
    return id;
  }

  /** Loads a trace that an address names, unless that has been done. */
  async load(id: string): Promise<void> {
    if (this.#asked.has(id)) return;
    this.#asked.add(id);
    const text = await readTrace(id);
    const timeline = text === undefined ? undefined : readChromeTrace(JSON.parse(text));
    this.loaded.value = new Map([...this.loaded.value, [id, timeline]]);
  }
}
