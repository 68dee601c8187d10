import { expect, test } from "vitest";
import { rootOf } from "./host-processes.ts";

test.each([
  ["a user's error comes before what follows from it", [3, 4, 1], 1],
  ["a timeout comes before a disconnect", [3, 4], 4],
  ["a signal to one process ends the run as terminated", [129, 143], 143],
  ["whichever process ends first", [143, 130], 143],
  ["and as what it was where all got it", [130, 130], 130],
  ["a crash stays a crash", [3, 143], 3],
])("%s: of %j, %i", (_rule, statuses, root) => {
  const failures = statuses.map((status, i) => ({ status, text: `process ${i}` }));
  expect(rootOf(failures)?.status).toBe(root);
});
