// Builds the page of `dualpipe studio` into the package: everything that it needs, and nothing from the network.
import { defineConfig } from "vite";

export default defineConfig({
  root: "src/studio",
  // Relative addresses, so that an exported page works in any folder of any server.
  base: "./",
  logLevel: "warn",
  build: { outDir: "../../dist/studio", emptyOutDir: true, target: "es2022", modulePreload: false },
  worker: { format: "es" },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});
