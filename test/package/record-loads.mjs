// Prints every module that a program imports, one URL a line: `node --import ./record-loads.mjs PROGRAM`.
import { register } from "node:module";

const hooks = `
import { writeSync } from "node:fs";
export async function load(url, context, nextLoad) {
  writeSync(1, url + "\\n");
  return nextLoad(url, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
