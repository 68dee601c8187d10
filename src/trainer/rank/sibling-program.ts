/** A rank's program beside this file, compiled if this file is. */
export function siblingProgram(name: string): URL {
  return new URL(`./${name}${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
}
