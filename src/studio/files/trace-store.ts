/*
 * Keeps the traces that a person has opened, in the browser's own database: an address that names one then restores it
 * in this browser, also after a reload, and nothing leaves the machine. A trace may have megabytes, so it cannot stand
 * in the address itself. Where a browser forbids the database, traces last until the page is closed.
 */

/** A trace as it was opened. */
interface StoredTrace {
  readonly id: string;
  readonly name: string;
  readonly text: string;
  readonly openedAt: number;
}

const DATABASE = "dualpipe-studio";
const STORE = "traces";
const TRACES_MAX = 20;

/** The name of a trace in addresses: that of its file, and a fingerprint of its text. */
export function traceId(name: string, text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return `${name}~${(hash >>> 0).toString(36)}${text.length.toString(36)}`;
}

/** The name of the file of a trace. */
export const nameOfTrace = (id: string): string => id.slice(0, id.lastIndexOf("~"));

function answerOf<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function openStore(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: "id" });
  return (await answerOf(opening)).transaction(STORE, mode).objectStore(STORE);
}

/** Keeps a trace, and forgets the oldest where there are many. */
export async function keepTrace(id: string, text: string): Promise<void> {
  try {
    const store = await openStore("readwrite");
    await answerOf(
      store.put({ id, name: nameOfTrace(id), text, openedAt: Date.now() } satisfies StoredTrace),
    );
    const all = (await answerOf(store.getAll())) as StoredTrace[];
    for (const { id: old } of all.toSorted((a, b) => b.openedAt - a.openedAt).slice(TRACES_MAX))
      store.delete(old);
  } catch {
    // As above.
  }
}

/** The text of a trace; undefined where this browser has not opened it. */
export async function readTrace(id: string): Promise<string | undefined> {
  try {
    const found = await answerOf((await openStore("readonly")).get(id));
    return (found as StoredTrace | undefined)?.text;
  } catch {
    return undefined;
  }
}
