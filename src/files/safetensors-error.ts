export type SafetensorsErrorCode =
  | "SAFETENSORS_TRUNCATED"
  | "SAFETENSORS_HEADER_TOO_LARGE"
  | "SAFETENSORS_BAD_HEADER"
  | "SAFETENSORS_BAD_ENTRY"
  | "SAFETENSORS_UNKNOWN_DTYPE"
  | "SAFETENSORS_DUPLICATE_NAME"
  | "SAFETENSORS_BAD_OFFSETS"
  | "SAFETENSORS_WRONG_SIZE";

/** What is wrong with a safetensors file, or with the tensors to be written to one. */
export class SafetensorsError extends Error {
  override readonly name = "SafetensorsError";
  readonly code: SafetensorsErrorCode;
  readonly file: string;
  readonly tensor: string | undefined;

  constructor(code: SafetensorsErrorCode, file: string, problem: string, tensor?: string) {
    super(`${file}: ${tensor === undefined ? "" : `tensor ${JSON.stringify(tensor)}: `}${problem}`);
    this.code = code;
    this.file = file;
    this.tensor = tensor;
  }
}
