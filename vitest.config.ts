import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    // They need a card, and this run hides them: `npm run test:gpu`.
    exclude: ["**/*.gpu.test.ts", "**/node_modules/**"],
    pool: "forks",
    // Rank threads are Workers that import TypeScript; they inherit this loader from the fork.
    execArgv: ["--import", new URL("./test/register-tsx.mjs", import.meta.url).href],
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    env: {
      OMP_NUM_THREADS: "1",
      OPENBLAS_NUM_THREADS: "1",
      GLOO_SOCKET_IFNAME: "lo",
      NO_COLOR: "1",
      CUDA_VISIBLE_DEVICES: "",
    },
  },
});
