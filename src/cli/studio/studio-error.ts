import { DualPipeError } from "../../errors/dualpipe-error.ts";

export type StudioErrorCode =
  /** The page has not been built. */
  | "PAGE_MISSING"
  /** The folder of an export has files that are not the page's. */
  | "EXPORT_OCCUPIED"
  /** The address cannot be listened to. */
  | "STUDIO_ADDRESS";

/** The studio cannot be served. */
export class StudioError extends DualPipeError<StudioErrorCode> {
  override readonly name = "StudioError";
}
