import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { StudioError } from "./studio-error.ts";

/** A file of the page. */
export interface PageFile {
  readonly type: string;
  readonly body: Buffer;
  /** Whether its name has a hash of its content, so that a browser may keep it. */
  readonly isHashed: boolean;
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** The folder that the build writes the page to; the same from `src/cli` and from `dist/cli`. */
const PAGE_FOLDER = fileURLToPath(new URL("../../../dist/studio", import.meta.url));

/**
 * All files of the page by their path on the server. They are read once, so a request cannot name any other file.
 * @param numRuns Tells the page how many runs the server has to show.
 * @throws StudioError `PAGE_MISSING`
 */
export function readPageFiles({ numRuns = 0, folder = PAGE_FOLDER } = {}): Map<string, PageFile> {
  if (!existsSync(join(folder, "index.html")))
    throw new StudioError(
      "PAGE_MISSING",
      `studio: its page is made by the build; ${folder} has none; in a checkout, run npm run build`,
    );
  const files = new Map<string, PageFile>();
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const path = `/${name.split(sep).join("/")}`;
    const isPage = path === "/index.html";
    const content = readFileSync(join(folder, name));
    const body =
      isPage && numRuns > 0
        ? Buffer.from(content.toString().replace("<html", `<html data-runs="${numRuns}"`))
        : content;
    const file = { type, body, isHashed: path.startsWith("/assets/") };
    files.set(path, file);
    if (isPage) files.set("/", file);
  }
  return files;
}
