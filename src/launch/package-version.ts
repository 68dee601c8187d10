import { readFileSync } from "node:fs";

/** The version of this package. */
export const PACKAGE_VERSION: string = versionOf(new URL("../../package.json", import.meta.url));

function versionOf(manifest: URL): string {
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
}
