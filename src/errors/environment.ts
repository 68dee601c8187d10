/**
 * The environment as all of src/ reads it: a variable that is empty is unset.
 *
 * Shells, manifests and CI leave variables empty that were not meant to be set: `export DUALPIPE_ADDRESS=$ADDRESS`, or
 * `value: ""` of Kubernetes. Read as it stands, an empty address listens on all interfaces, an empty folder is the
 * current one, and an empty number is 0. So there is one place that reads the environment, and it leaves out what is
 * empty. Programs that we start inherit the environment unchanged: to others an empty variable may mean something, as
 * CUDA_VISIBLE_DEVICES does.
 */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The variables that are set to something. */
export function readEnvironment(variables: Environment = process.env): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value));
}

/** The environment for a program that we start. */
export function inheritedEnvironment(): NodeJS.ProcessEnv {
  return process.env;
}

/** Sets a variable for this process and those that it starts, if it is unset. */
export function setDefaultVariable(name: string, value: string): void {
  process.env[name] ||= value;
}
