/*
 * The colours and patterns of blocks. They follow the figures of the papers: forwards are orange, backwards for inputs
 * cyan, backwards for weights blue, full backwards green. The four differ in lightness, and all but the forward have a
 * pattern, so that they are told apart without colours. The second direction of a rank is lighter, and so is each
 * further stage of a rank in one direction.
 */
import type { ComputationKind } from "../../schedule/index.ts";

export type Theme = "light" | "dark";

/** A colour as red, green and blue from 0 to 255. */
export type Colour = readonly [number, number, number];

/** Which pixels of a block are darker. */
export type Pattern = "none" | "rising" | "dots" | "level";

export const PATTERNS: Readonly<Record<ComputationKind, Pattern>> = {
  F: "none",
  I: "dots",
  W: "rising",
  B: "level",
};

const BLOCKS: Readonly<Record<ComputationKind, Colour>> = {
  F: [242, 165, 40],
  I: [86, 196, 222],
  W: [74, 124, 224],
  B: [70, 160, 84],
};

/** The colours of everything that is not a block. */
export interface Surface {
  readonly background: Colour;
  readonly lane: Colour;
  readonly edge: Colour;
  readonly frame: Colour;
  readonly text: string;
  readonly muted: string;
  readonly label: string;
  readonly accent: string;
}

export const SURFACES: Readonly<Record<Theme, Surface>> = {
  light: {
    background: [255, 255, 255],
    lane: [240, 241, 244],
    edge: [70, 70, 78],
    frame: [0, 0, 0],
    text: "#1b1d22",
    muted: "#565b66",
    label: "#101114",
    accent: "#b3005e",
  },
  dark: {
    background: [22, 24, 29],
    lane: [36, 39, 46],
    edge: [12, 13, 16],
    frame: [255, 255, 255],
    text: "#eceef2",
    muted: "#a9afbb",
    label: "#0b0c0e",
    accent: "#ff6cb5",
  },
};

/** Colours of ranks in charts that have a line for each. */
export function rankColour(rank: number, numRanks: number, theme: Theme): string {
  const hue = Math.round((330 * rank) / Math.max(1, numRanks));
  return `hsl(${hue} 65% ${theme === "dark" ? 65 : 40}%)`;
}

/** The colour of a block: lighter in direction 1, and for each further stage of the rank in its direction. */
export function blockColour(kind: ComputationKind, direction: 0 | 1, variant: number): Colour {
  const share = Math.min(0.72, (direction === 1 ? 0.5 : 0) + 0.22 * (variant % 3));
  return BLOCKS[kind].map((value) => Math.round(value + (255 - value) * share)) as unknown as Colour;
}

export const cssColour = ([red, green, blue]: Colour): string => `rgb(${red} ${green} ${blue})`;

/** A colour as a pixel of image data on a little-endian machine, as all browsers run on. */
export const pixelOf = ([red, green, blue]: Colour): number =>
  ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

/** The pixel of a pattern's marks: a darker shade of the block. */
export const markOf = (colour: Colour): number =>
  pixelOf(colour.map((value) => Math.round(value * 0.8)) as unknown as Colour);
