/* The mark of each schedule in a plot: a form and a colour of its own, so that either is enough to tell it. */
import { schedules } from "../../schedule/index.ts";

export interface Mark {
  readonly schedule: string;
  readonly title: string;
  readonly colour: string;
  /** Corners, clockwise from the top, in units of the mark's radius; a circle where there are none. */
  readonly corners: readonly (readonly [number, number])[];
}

/** The corners of a star with `numTips` tips; with `inner` 1, of a polygon with twice as many corners. */
function star(numTips: number, inner: number, turn = 0): [number, number][] {
  return Array.from({ length: 2 * numTips }, (_, i) => {
    const angle = (Math.PI * i) / numTips + turn;
    const radius = i % 2 === 0 ? 1.15 : 1.15 * inner;
    return [radius * Math.sin(angle), -radius * Math.cos(angle)];
  });
}

const FORMS: readonly (readonly [colour: string, corners: readonly (readonly [number, number])[]])[] = [
  ["#9aa0a8", []],
  [
    "#56b4e9",
    [
      [-0.85, -0.85],
      [0.85, -0.85],
      [0.85, 0.85],
      [-0.85, 0.85],
    ],
  ],
  [
    "#009e73",
    [
      [0, -1.1],
      [1, 0.8],
      [-1, 0.8],
    ],
  ],
  [
    "#f0e442",
    [
      [0, 1.1],
      [1, -0.8],
      [-1, -0.8],
    ],
  ],
  [
    "#b07cc6",
    [
      [0, -1.2],
      [0.9, 0],
      [0, 1.2],
      [-0.9, 0],
    ],
  ],
  ["#0072b2", star(2, 0.35, Math.PI / 4)],
  ["#d55e00", star(5, 0.45)],
  ["#e69f00", star(3, 0.55, Math.PI)],
  ["#cc79a7", star(3, 0.87)],
  ["#88ccee", star(4, 0.25, Math.PI / 4)],
  [
    "#ddcc77",
    [
      [-1.2, -0.45],
      [1.2, -0.45],
      [1.2, 0.45],
      [-1.2, 0.45],
    ],
  ],
  [
    "#44aa99",
    [
      [-0.45, -1.2],
      [0.45, -1.2],
      [0.45, 1.2],
      [-0.45, 1.2],
    ],
  ],
  ["#ffffff", star(4, 0.45)],
];

/** The marks, the searched program last. */
export const MARKS: readonly Mark[] = [...schedules, { name: "searched", title: "searched program" }].map(
  ({ name, title }, i) => ({ schedule: name, title, colour: FORMS[i]![0], corners: FORMS[i]![1] }),
);

/** A mark as the `d` of an SVG path. */
export function markPath({ corners }: Mark, x: number, y: number, radius: number): string {
  const round = (value: number) => Number(value.toFixed(2));
  if (corners.length === 0) {
    const half = `a${radius} ${radius} 0 1 0 `;
    return `M${round(x - radius)} ${round(y)}${half}${2 * radius} 0${half}${-2 * radius} 0Z`;
  }
  return `M${corners.map(([dx, dy]) => `${round(x + radius * dx)} ${round(y + radius * dy)}`).join("L")}Z`;
}
