import { describe, expect, test, vi } from "vitest";
import { firstHostOf, readLaunchVariables } from "./launcher-variables.ts";
import { processPlacement } from "./process-placement.ts";

const TORCHRUN = {
  RANK: "3",
  WORLD_SIZE: "4",
  LOCAL_RANK: "1",
  MASTER_ADDR: "127.0.0.1",
  MASTER_PORT: "29611",
};

test("without a launcher there are no variables", () => {
  expect(readLaunchVariables({ PATH: "/bin" })).toBeUndefined();
});

describe("torchrun", () => {
  test("its variables are read", () => {
    expect(readLaunchVariables(TORCHRUN)).toEqual({
      launcher: "torchrun",
      process: 3,
      numProcesses: 4,
      localProcess: 1,
      isOneHost: false,
      masterAddress: "127.0.0.1",
      masterPort: 29_611,
      hub: "process 0",
    });
  });

  test("its local size tells whether there are other hosts", () => {
    const isOneHost = (size: string) =>
      readLaunchVariables({ ...TORCHRUN, LOCAL_WORLD_SIZE: size })?.isOneHost;
    expect([isOneHost("4"), isOneHost("2")]).toEqual([true, false]);
  });

  test("the store of its agent is used, with keys of this attempt", () => {
    const agent = { ...TORCHRUN, TORCHELASTIC_USE_AGENT_STORE: "True", TORCHELASTIC_RESTART_COUNT: "2" };
    expect(readLaunchVariables(agent)?.hub).toEqual({ storeKey: "/dualpipe/attempt_2" });
  });

  test("the hub of dualpipe launch is used", () => {
    expect(readLaunchVariables({ ...TORCHRUN, DUALPIPE_HUB: "launcher" })?.hub).toBe("launcher");
  });

  test.each(Object.keys(TORCHRUN))("a missing %s is named", (name) => {
    const incomplete = { ...TORCHRUN, [name]: undefined };
    expect(() => readLaunchVariables(incomplete)).toThrow(
      expect.objectContaining({
        code: "INCOMPLETE_VARIABLES",
        message: expect.stringContaining(`${name} is missing`),
      }),
    );
  });

  test.each([
    ["RANK", "4", "RANK must be a whole number from 0 to 3"],
    ["RANK", "-1", "RANK must be"],
    ["MASTER_PORT", "70000", "MASTER_PORT must be a whole number from 0 to 65535"],
    ["WORLD_SIZE", "two", 'got "two"'],
  ])("%s=%s is refused", (name, value, message) => {
    expect(() => readLaunchVariables({ ...TORCHRUN, [name]: value })).toThrow(message);
  });
});

describe("Open MPI", () => {
  const variables = {
    OMPI_COMM_WORLD_RANK: "1",
    OMPI_COMM_WORLD_SIZE: "2",
    OMPI_COMM_WORLD_LOCAL_RANK: "1",
    OMPI_COMM_WORLD_LOCAL_SIZE: "2",
  };

  test("on one host the master is this host", () => {
    expect(readLaunchVariables(variables)).toMatchObject({
      launcher: "Open MPI",
      process: 1,
      numProcesses: 2,
      localProcess: 1,
      isOneHost: true,
      masterAddress: "127.0.0.1",
      masterPort: 29_500,
    });
  });

  test("on several hosts it must be told", () => {
    const several = { ...variables, OMPI_COMM_WORLD_LOCAL_SIZE: "1", OMPI_COMM_WORLD_LOCAL_RANK: "0" };
    expect(() => readLaunchVariables(several)).toThrow("MASTER_ADDR is missing");
    expect(readLaunchVariables({ ...several, MASTER_ADDR: "10.0.0.1" })?.masterAddress).toBe("10.0.0.1");
  });
});

describe("Slurm", () => {
  const step = {
    SLURM_PROCID: "5",
    SLURM_LOCALID: "1",
    SLURM_STEP_NUM_TASKS: "8",
    SLURM_STEP_NUM_NODES: "2",
    SLURM_STEP_NODELIST: "gpu[07-08]",
  };

  test("the first host of a step is the master", () => {
    expect(readLaunchVariables(step)).toMatchObject({
      launcher: "Slurm",
      process: 5,
      numProcesses: 8,
      localProcess: 1,
      isOneHost: false,
      masterAddress: "gpu07",
    });
  });

  test("a batch script is no task of a step", () => {
    expect(readLaunchVariables({ SLURM_PROCID: "0", SLURM_NTASKS: "8" })).toBeUndefined();
  });

  test.each([
    ["gpu1", "gpu1"],
    ["login,gpu[01-04]", "login"],
    ["gpu[01-04,07],login", "gpu01"],
    ["rack[3,5]-a,b", "rack3-a"],
  ])("the first host of %s is %s", (list, host) => {
    expect(firstHostOf(list)).toBe(host);
  });
});

describe("a process's place", () => {
  test("ranks go evenly into processes", async () => {
    expect(await processPlacement(8, TORCHRUN)).toMatchObject({
      process: 3,
      numProcesses: 4,
      ranksPerProcess: 2,
      address: undefined,
    });
    await expect(processPlacement(6, TORCHRUN)).rejects.toMatchObject({
      code: "UNEVEN_RANKS",
      message: expect.stringContaining("6 ranks and 4 processes; start 1, 2, 3, 6 processes"),
    });
  });

  test.each([
    ["DUALPIPE_ADDRESS", { address: undefined }],
    ["DUALPIPE_SECRET", { secret: undefined }],
    ["DUALPIPE_HUB", { hub: "process 0" }],
    ["TORCHELASTIC_USE_AGENT_STORE", { hub: "process 0" }],
  ])("an empty %s is as if it was not set", async (name, expected) => {
    expect(await processPlacement(4, { ...TORCHRUN, [name]: "" })).toMatchObject(expected);
  });

  test("empty variables of a launcher are no launcher's, and some that are empty are missing", async () => {
    expect(await processPlacement(4, { RANK: "", WORLD_SIZE: "" })).toBeUndefined();
    await expect(processPlacement(4, { ...TORCHRUN, MASTER_ADDR: "" })).rejects.toThrow(
      "MASTER_ADDR is missing",
    );
    const slurm = {
      SLURM_PROCID: "0",
      SLURM_LOCALID: "0",
      SLURM_STEP_NUM_TASKS: "2",
      SLURM_STEP_NUM_NODES: "1",
    };
    expect(await processPlacement(4, { ...slurm, MASTER_ADDR: "", MASTER_PORT: "" })).toMatchObject({
      masterAddress: "127.0.0.1",
      masterPort: 29_500,
    });
  });

  test.each([
    ["torchrun", { ...TORCHRUN, RANK: "0", WORLD_SIZE: "1", LOCAL_RANK: "0" }],
    [
      "torchrun's agent",
      { ...TORCHRUN, RANK: "0", WORLD_SIZE: "1", LOCAL_RANK: "0", TORCHELASTIC_USE_AGENT_STORE: "True" },
    ],
    [
      "Slurm",
      { SLURM_PROCID: "0", SLURM_LOCALID: "0", SLURM_STEP_NUM_TASKS: "1", SLURM_STEP_NUM_NODES: "1" },
    ],
    [
      "Open MPI",
      {
        OMPI_COMM_WORLD_RANK: "0",
        OMPI_COMM_WORLD_SIZE: "1",
        OMPI_COMM_WORLD_LOCAL_RANK: "0",
        OMPI_COMM_WORLD_LOCAL_SIZE: "1",
      },
    ],
  ])("the only process of %s has no other to connect to", async (_launcher, variables) => {
    expect(await processPlacement(4, variables)).toBeUndefined();
  });

  test("a secret can be given", async () => {
    expect((await processPlacement(4, TORCHRUN))?.secret).toBeUndefined();
    expect((await processPlacement(4, { ...TORCHRUN, DUALPIPE_SECRET: "abc" }))?.secret).toBe("abc");
  });

  test("where NCCL will connect cards, all kernels are loaded at the start", async () => {
    const modeAfter = async (variables: Record<string, string>) => {
      vi.stubEnv("CUDA_MODULE_LOADING", undefined);
      await processPlacement(4, { ...TORCHRUN, ...variables });
      const mode = process.env.CUDA_MODULE_LOADING;
      vi.unstubAllEnvs();
      return mode;
    };
    expect(await modeAfter({})).toBe("EAGER");
    expect(await modeAfter({ LOCAL_WORLD_SIZE: "4" })).toBeUndefined();
    expect(await modeAfter({ LOCAL_WORLD_SIZE: "4", DUALPIPE_CARDS: "nccl" })).toBe("EAGER");
    expect(await modeAfter({ DUALPIPE_CARDS: "host" })).toBeUndefined();
  });

  test("the address to listen at can be given", async () => {
    const address = "127.0.0.2";
    expect(await processPlacement(4, { ...TORCHRUN, DUALPIPE_ADDRESS: address })).toMatchObject({ address });
  });
});
