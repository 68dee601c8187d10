import { useEffect } from "preact/hooks";
import { ComparePage } from "./panels/compare/compare-page.tsx";
import { DesignPage } from "./panels/design-page.tsx";
import { EditPage } from "./panels/edit-page.tsx";
import { ExplainPage } from "./panels/explain-page.tsx";
import { PlanPage } from "./panels/plan/plan-page.tsx";
import { RunPage } from "./panels/run-page.tsx";
import type { Session } from "./session.ts";
import { formatView, PAGES, type Page } from "./view/view.ts";

const TITLES: Readonly<Record<Page, string>> = {
  design: "Design",
  plan: "Plan",
  compare: "Compare",
  explain: "Explain",
  edit: "Edit",
  run: "Run",
};

function PageOf({ page, session }: { page: Page; session: Session }) {
  switch (page) {
    case "design":
      return <DesignPage session={session} />;
    case "plan":
      return <PlanPage session={session} />;
    case "compare":
      return <ComparePage session={session} />;
    case "explain":
      return <ExplainPage session={session} />;
    case "edit":
      return <EditPage session={session} />;
    case "run":
      return session.runs.length === 0 ? (
        <p class="page plain">
          This page follows no run. Open one with: dualpipe studio FOLDER, or dualpipe train CONFIG --studio
        </p>
      ) : (
        <RunPage session={session} />
      );
    default:
      return page satisfies never;
  }
}

/** The page: its head, and the view that is open. */
export function App({ session }: { session: Session }) {
  const theme = session.theme.value;
  const view = session.view.value;
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  return (
    <>
      <header>
        <h1>
          dualpipe <span>studio</span>
        </h1>
        <nav aria-label="Views">
          {PAGES.filter((page) => page !== "run" || session.runs.length > 0).map((page) => (
            <a
              key={page}
              href={`#${formatView({ ...view, page })}`}
              aria-current={page === view.page ? "page" : undefined}
            >
              {TITLES[page]}
            </a>
          ))}
        </nav>
        <button
          type="button"
          class="quiet"
          onClick={() => session.setTheme(theme === "dark" ? "light" : "dark")}
        >
          {theme === "dark" ? "Light" : "Dark"} theme
        </button>
      </header>
      <main>
        <PageOf page={view.page} session={session} />
      </main>
    </>
  );
}
