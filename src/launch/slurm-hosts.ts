/** The first host of a list as Slurm writes it: `login` of `login,node[01-04]`, `node01` of `node[01-04,07],login`. */
export function firstHostOf(list: string): string {
  const [, prefix = "", range = "", suffix = ""] = /^([^,[\]]*)(?:\[([^\]]*)\])?([^,[\]]*)/.exec(list) ?? [];
  const [first = ""] = range.split(/[,-]/);
  return `${prefix}${first}${suffix}`;
}
