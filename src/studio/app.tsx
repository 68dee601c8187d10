import { useEffect } from "preact/hooks";
import { DesignPage } from "./panels/design-page.tsx";
import type { Session } from "./session.ts";

/** The page: its head, and the view that is open. */
export function App({ session }: { session: Session }) {
  const theme = session.theme.value;
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  return (
    <>
      <header>
        <h1>
          dualpipe <span>studio</span>
        </h1>
        <button
          type="button"
          class="quiet"
          onClick={() => session.setTheme(theme === "dark" ? "light" : "dark")}
        >
          {theme === "dark" ? "Light" : "Dark"} theme
        </button>
      </header>
      <main>
        <DesignPage session={session} />
      </main>
    </>
  );
}
