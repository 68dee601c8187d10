/**
 * Data sets, and batches of them.
 * @module dualpipe/data
 */
export { type ArrayColumn, arrayData, type ShapedArray } from "./array-data.ts";
export { type CsvColumn, type CsvOptions, type CsvTable, csvData } from "./csv-data.ts";
export { DataLoader, type DataLoaderOptions, type LoadedBatch } from "./data-loader.ts";
export {
  type Column,
  type ColumnDType,
  type DataSet,
  DataSetError,
  type DataSetErrorCode,
  type DataSetOrigin,
} from "./data-set.ts";
export { type ImageFolder, type ImageFolderOptions, imageFolder } from "./image-folder.ts";
export type { Table } from "./table.ts";
