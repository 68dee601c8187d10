import { DualPipeError } from "../errors/dualpipe-error.ts";

export type SafetensorsErrorCode =
  | "SAFETENSORS_TRUNCATED"
  | "SAFETENSORS_HEADER_TOO_LARGE"
  | "SAFETENSORS_BAD_HEADER"
  | "SAFETENSORS_BAD_ENTRY"
  | "SAFETENSORS_UNKNOWN_DTYPE"
  | "SAFETENSORS_DUPLICATE_NAME"
  | "SAFETENSORS_BAD_OFFSETS"
  | "SAFETENSORS_WRONG_SIZE";

/** A safetensors file, or the tensors to write to one, break the format. */
export class SafetensorsError extends DualPipeError<SafetensorsErrorCode> {
  override readonly name = "SafetensorsError";
  readonly file: string;
  /** The name of the tensor that is wrong; undefined when it is the file as a whole. */
  readonly tensor: string | undefined;

  constructor(code: SafetensorsErrorCode, file: string, problem: string, tensor?: string) {
    super(code, `${file}: ${tensor === undefined ? "" : `tensor ${JSON.stringify(tensor)}: `}${problem}`);
    this.file = file;
    this.tensor = tensor;
  }
}
