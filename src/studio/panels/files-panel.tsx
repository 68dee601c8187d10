import { useSignal } from "@preact/signals";
import { EXPORTS, type ExportedFile, type ExportKind, exportStep } from "../files/export-step.ts";
import { importFile } from "../files/import-step.ts";
import type { LoadedStep, Session } from "../session.ts";
import { formatView } from "../view/view.ts";

/** Opens files, and saves the step as files. */
export function FilesPanel({ session, step }: { session: Session; step: LoadedStep | undefined }) {
  const problem = useSignal<string | undefined>(undefined);
  const open = async (files: readonly File[]) => {
    try {
      for (const file of files) openImported(session, file.name, await file.text());
      problem.value = undefined;
    } catch (error) {
      problem.value = error instanceof Error && "problem" in error ? String(error.problem) : String(error);
    }
  };
  return (
    <section class="files" aria-label="Files">
      <h2>Files</h2>
      <label class="open">
        Open files <small>CSV, JSON, profile, Chrome traces</small>
        <input
          type="file"
          multiple
          onChange={({ currentTarget }) => void open([...(currentTarget.files ?? [])])}
        />
      </label>
      {problem.value && (
        <p class="problem" role="alert">
          {problem.value}
        </p>
      )}
      {step && (
        <div class="buttons">
          {(Object.keys(EXPORTS) as ExportKind[]).map((kind) => (
            <button
              type="button"
              key={kind}
              title={`for ${EXPORTS[kind].reader}`}
              onClick={() => save(exportStep(kind, step, formatView(session.view.value)))}
            >
              {EXPORTS[kind].label}
            </button>
          ))}
          <button type="button" title="the chart as it is on the screen" onClick={savePicture}>
            PNG
          </button>
        </div>
      )}
    </section>
  );
}

function openImported(session: Session, name: string, text: string): void {
  const imported = importFile(name, text, session.settings.value);
  const control = `file ${name}`;
  if (imported.kind === "view") session.navigate(imported.view, control);
  else if (imported.kind === "settings")
    session.navigate({ ...session.view.value, page: "design", settings: imported.settings }, control);
  else {
    const view = session.view.value;
    const id = session.traces.open(name, text, imported.timeline);
    const traces = view.traces.includes(id) ? view.traces : [...view.traces, id];
    session.navigate({ ...view, page: "compare", traces }, control);
  }
}

function save({ name, type, text }: ExportedFile): void {
  saveBlob(name, new Blob([text], { type }));
}

function saveBlob(name: string, blob: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function savePicture(): void {
  document.querySelector<HTMLCanvasElement>(".surface canvas")?.toBlob((blob) => {
    if (blob !== null) saveBlob("schedule.png", blob);
  });
}
