/*
 * Links that differ from the others, one for each direction between two ranks. They are texts, as they stand in the
 * address: `2-3@0.5` is the link from rank 2 to rank 3 with a latency of 0.5, `2-3@0.5/100` also has a bandwidth.
 */
import { type EdgeCost, ScheduleError } from "../../schedule/index.ts";

const NUMBER = String.raw`(\d{1,12}(?:\.\d{1,12})?)`;
const LINK = new RegExp(String.raw`^(\d{1,6})-(\d{1,6})@${NUMBER}(?:/${NUMBER})?$`);

/** @throws ScheduleError `INVALID_COST` */
export function parseLink(text: string): EdgeCost {
  const match = LINK.exec(text);
  if (match === null)
    throw new ScheduleError(
      "INVALID_COST",
      `link: must be RANK-RANK@LATENCY or RANK-RANK@LATENCY/BANDWIDTH; got ${text.slice(0, 40)}; write 2-3@0.5/100`,
    );
  const [, from, to, latency, bandwidth] = match;
  const link = { from: Number(from), to: Number(to), latency: Number(latency) };
  return bandwidth === undefined ? link : { ...link, bandwidth: Number(bandwidth) };
}

/** A link in words; a text that is none stays as it is, and the simulator explains it. */
export function linkInWords(text: string): string {
  if (!LINK.test(text)) return text;
  const { from, to, latency, bandwidth } = parseLink(text);
  const limit = bandwidth === undefined ? "no limit" : `bandwidth ${bandwidth}`;
  return `rank ${from} to ${to}: latency ${latency}, ${limit}`;
}

/** The text of the link between two ranks, if it differs from the others. */
export function findLink(links: readonly string[], from: string, to: string): string | undefined {
  return links.find((text) => text.startsWith(`${from}-${to}@`));
}

/**
 * The links with another latency or bandwidth of one of them.
 * @param bandwidth Empty for no limit.
 */
export function withLink(
  links: readonly string[],
  from: string,
  to: string,
  { latency, bandwidth }: { readonly latency: string; readonly bandwidth: string },
): string[] {
  const text = `${from}-${to}@${latency === "" ? "0" : latency}${bandwidth === "" ? "" : `/${bandwidth}`}`;
  const old = findLink(links, from, to);
  return old === undefined ? [...links, text] : links.map((link) => (link === old ? text : link));
}
