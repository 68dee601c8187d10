import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { SURFACES, type Theme } from "../chart/palette.ts";

interface LineChartProps {
  readonly title: string;
  readonly steps: readonly number[];
  readonly values: readonly number[];
  readonly theme: Theme;
}

const HEIGHT = 150;

/** A number over the steps of a run. */
export function LineChart({ title, steps, values, theme }: LineChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  useEffect(() => {
    const element = box.current!;
    const { text, accent } = SURFACES[theme];
    const axis = {
      stroke: text,
      grid: { stroke: "#8886", width: 1 },
      font: "11px system-ui, sans-serif",
      size: 46,
    };
    const made = new uPlot(
      {
        title,
        width: Math.max(120, element.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        scales: { x: { time: false } },
        axes: [{ ...axis, size: 26 }, axis],
        series: [{}, { stroke: accent, width: 1.5 }],
      },
      [[...steps], [...values]],
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() =>
      made.setSize({ width: Math.max(120, element.clientWidth), height: HEIGHT }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [theme, title]);
  useEffect(() => plot.current?.setData([[...steps], [...values]]), [steps, values]);
  const last = values.at(-1);
  const label = last === undefined ? "no step yet" : `${last.toPrecision(4)} at step ${steps.at(-1)}`;
  return <div ref={box} class="line-chart" role="img" aria-label={`${title}: ${label}`} />;
}
