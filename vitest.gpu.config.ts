import { defineConfig } from "vitest/config";
import config from "./vitest.config.ts";

const { CUDA_VISIBLE_DEVICES: _, ...env } = config.test?.env ?? {};

/** The tests that need a card: `npm run test:gpu`. */
export default defineConfig({
  test: { ...config.test, include: ["test/gpu/**/*.gpu.test.ts"], exclude: [], maxWorkers: 1, env },
});
