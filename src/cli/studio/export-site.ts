import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileErrorOf } from "../../files/file-error.ts";
import { readPageFiles } from "./page-files.ts";
import { StudioError } from "./studio-error.ts";

/**
 * Writes the page into a folder, for any web server. An earlier export there is replaced; other files are not touched.
 * @throws StudioError `EXPORT_OCCUPIED` for a folder of something else; FileError
 */
export function exportSite(folder: string): void {
  const indexPath = join(folder, "index.html");
  const isOurs = existsSync(indexPath) && readFileSync(indexPath, "utf8").includes("<title>dualpipe studio<");
  if (existsSync(folder) && readdirSync(folder).length > 0 && !isOurs)
    throw new StudioError(
      "EXPORT_OCCUPIED",
      `studio: --export needs a folder that is new, empty or an earlier export; ${folder} has other files; name another`,
    );
  for (const [path, { body }] of readPageFiles()) {
    if (path === "/") continue;
    const target = join(folder, path);
    try {
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, body);
    } catch (error) {
      throw fileErrorOf(`${target} cannot be written`, error);
    }
  }
}
