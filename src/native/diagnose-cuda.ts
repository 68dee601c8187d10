/** What `dualpipe doctor` says about cards: the CUDA that LibTorch brings, the driver, and each card. */
import { existsSync, readFileSync } from "node:fs";
import { problemOf } from "../errors/dualpipe-error.ts";
import type { Addon, CudaAddon } from "./addon.ts";
import type { LibTorch } from "./inspect.ts";
import type { Finding } from "./prerequisites.ts";

/** The driver's kernel module writes its version here. */
const DRIVER_FILE = "/proc/driver/nvidia/version";

/**
 * None on a machine without cards and without a LibTorch that could use them.
 * @param addon If it is built and loads.
 */
export function cudaFindings(libtorch: LibTorch | undefined, addon: Addon | undefined): Finding[] {
  const name = "CUDA";
  const driver = driverVersion();
  if (libtorch === undefined || !libtorch.cuda) {
    if (driver === undefined) return [];
    const remedy = "set LIBTORCH to a LibTorch with CUDA, such as the folder torch of a wheel for Linux";
    const detail = `no CUDA in this LibTorch, so the cards of this machine (driver ${driver}) are not used`;
    return [{ name, status: "lacking", detail, remedy }];
  }
  if (libtorch.cudaIncludeDir === undefined) {
    const remedy =
      "install the CUDA toolkit, set CUDA_HOME to its folder, and run: npx dualpipe doctor --build";
    return [{ name, status: "lacking", detail: "no CUDA headers: cards are not used", remedy }];
  }
  if (addon === undefined) return [];
  if (addon.cuda === null) {
    const remedy = "npx dualpipe doctor --build";
    return [{ name, status: "lacking", detail: "the native addon was built without CUDA", remedy }];
  }
  try {
    return [versionsFinding(addon.cuda, addon.processes.hasNccl, driver), ...cardFindings(addon.cuda)];
  } catch (error) {
    return [{ name, status: "lacking", detail: problemOf(error), remedy: "see whether nvidia-smi works" }];
  }
}

function versionsFinding(cuda: CudaAddon, usesNccl: boolean, driverFile: string | undefined): Finding {
  const { runtime, driver, nccl } = cuda.versions();
  const name = "CUDA";
  const unused = usesNccl ? "" : " (not used: the addon was built without nccl.h)";
  const ncclText = nccl === null ? "no NCCL" : `NCCL ${nccl}${unused}`;
  if (driver === null)
    return {
      name,
      status: "lacking",
      detail: `${runtime}, ${ncclText}, no driver: cards are not used`,
      remedy: "install NVIDIA's driver, on a machine with a card",
    };
  const version = driverFile === undefined ? "" : ` ${driverFile}`;
  const detail = `${runtime}, ${ncclText}, driver${version} for CUDA up to ${driver}`;
  if (cuda.numCards() > 0) return { name, status: "ok", detail };
  const remedy = "see whether nvidia-smi shows one, and what CUDA_VISIBLE_DEVICES is set to";
  return { name, status: "lacking", detail: `${detail}; no card`, remedy };
}

function cardFindings(cuda: CudaAddon): Finding[] {
  const cards = cuda.cards();
  return cards.map(({ name, memoryBytes, capability, peers }, card) => {
    const gibibytes = (memoryBytes / 2 ** 30).toFixed(1);
    const detail = `${name}, ${gibibytes} GiB, compute capability ${capability}`;
    const others = cards.map((_, other) => other).filter((other) => other !== card);
    const unreached = others.filter((other) => !peers.includes(other));
    if (others.length === 0) return { name: `Card ${card}`, status: "ok", detail };
    if (unreached.length === 0)
      return {
        name: `Card ${card}`,
        status: "ok",
        detail: `${detail}, reaches the memory of all other cards`,
      };
    return {
      name: `Card ${card}`,
      status: "lacking",
      detail: `${detail}; messages to card ${unreached.join(", ")} go through the memory of the host`,
      remedy: "none in software: these cards have no link that allows peer access",
    };
  });
}

function driverVersion(): string | undefined {
  if (!existsSync(DRIVER_FILE)) return undefined;
  return /\b(\d+\.\d[\d.]*)/.exec(readFileSync(DRIVER_FILE, "utf8"))?.[1] ?? "of an unknown version";
}
