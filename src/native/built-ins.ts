/*
 * Modules of Node that take milliseconds to load and that most programs never need, or not at once: `import "dualpipe"`
 * must not wait for them. They are loaded by their first use, also in synchronous functions.
 */
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** `node:crypto`. */
export const nodeCrypto = () => require("node:crypto") as typeof import("node:crypto");

/** `node:child_process`, which loads `node:net` and `node:dgram` too. */
export const childProcess = () => require("node:child_process") as typeof import("node:child_process");
