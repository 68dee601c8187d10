/** A handle into the thread's tensor table: slot + generation * 2^20. */
export type Handle = number;

export type NativeArgument =
  | number
  | boolean
  | string
  | null
  | undefined
  | readonly (number | boolean | null)[];

export type NativeResult = number | boolean | null | NativeResult[];

/** The whole native boundary. Every error it throws has a `code`: LIBTORCH, OUT_OF_MEMORY, ABORTED or TIMEOUT. */
export interface Addon {
  readonly libtorchVersion: string;
  /** The number of an operator of the dispatcher, to call it by. */
  op(name: string, overload: string): number;
  /** Tensors go in and come out as handles; a single result comes alone, several as a list. */
  call(operator: number, ...args: readonly NativeArgument[]): NativeResult;
  /** Calls an operator that returns its own argument. */
  callInPlace(operator: number, ...args: readonly NativeArgument[]): void;
  fromBytes(bytes: ArrayBufferView, dtype: number, shape: readonly number[]): Handle;
  /** A copy of the elements in row-major order. */
  toBytes(tensor: Handle): ArrayBuffer;
  /** The same into memory of just that size. */
  copyBytes(tensor: Handle, bytes: Uint8Array): void;
  shape(tensor: Handle): number[];
  dtype(tensor: Handle): number;
  /** How many tensors, in any thread, share this one's storage. */
  storageUses(tensor: Handle): number;
  free(tensor: Handle): void;
  /** Tensors alive in this thread. */
  numTensors(): number;
  seed(seed: number): void;
  /** The state of this thread's random generator, as a tensor of bytes. */
  randomState(): Handle;
  setRandomState(state: Handle): void;
  setNumThreads(threads: number): void;
  /** Bytes of CPU tensors of the whole process, now and at most since `resetPeakBytes`. */
  memory(): { liveBytes: number; peakBytes: number };
  resetPeakBytes(): void;
  releaseCache(): void;
  readonly mailbox: {
    open(name: string, numBoxes: number): PostOffice;
    post(office: PostOffice, box: number, tensors: readonly (Handle | null)[]): void;
    /** Blocks this thread until something arrives. */
    take(office: PostOffice, box: number, timeoutMs: number): (Handle | null)[];
    arrived(office: PostOffice, box: number): boolean;
    /** Ends every wait, now and later, in each post office whose name begins so. */
    close(prefix: string, reason: string): void;
  };
  /** Absent when LibTorch was built without Gloo. */
  readonly c10d: {
    /**
     * Connects this process to the others, on a thread of its own; `attach` then finds the bridge by its name. What
     * `publish` is given, the other processes must `learn`.
     */
    connect(
      options: BridgeOptions,
      publish: (key: string, value: Uint8Array) => void,
    ): { readonly store: RelayedStore; readonly connected: Promise<void> };
    learn(store: RelayedStore, key: string, value: Uint8Array): void;
    /** Sets a key of a TCPStore that another program serves, or waits until it is set; gives its value. */
    exchange(
      host: string,
      port: number,
      key: string,
      value: Uint8Array | undefined,
      timeoutMs: number,
    ): Promise<Uint8Array>;
    /** The bridge that this process has connected by this name, for any of its threads. */
    attach(bridgeName: string): Bridge;
    /** An office whose letters may come from other processes; closed when it was aborted before. */
    open(bridge: Bridge, name: string, numBoxes: number): PostOffice;
    send(
      bridge: Bridge,
      office: PostOffice,
      box: number,
      process: number,
      tag: number,
      tensors: readonly (Handle | null)[],
    ): void;
    /** Letters with this tag are taken from now on. */
    listen(bridge: Bridge, process: number, tag: number): void;
    /** From any thread: closes the offices whose names begin so, in all processes. False when nothing is connected. */
    abort(bridgeName: string, prefix: string, reason: string): boolean;
    /** Each rank's last call. The last one of a process waits until what was sent is on its way and, if all ranks ended well, for the other processes. */
    leave(bridge: Bridge, well: boolean): void;
    /** Ends the connections of a process whose ranks have not left, and will not. */
    disconnect(bridgeName: string): void;
  } | null;
  /** LibTorch's own autograd, for tests to compare with. */
  readonly oracle: {
    enable(enabled: boolean): void;
    requireGradient(tensor: Handle): void;
    gradients(
      outputs: readonly Handle[],
      inputs: readonly Handle[],
      outputGradients: readonly Handle[],
    ): (Handle | null)[];
  };
}

/** An open set of mailboxes; opaque. */
export interface PostOffice {
  readonly postOffice: unique symbol;
}

/** Which process of a run this is, and how it connects to the others. */
export interface BridgeOptions {
  /** Unique in this process. */
  readonly name: string;
  /** Where this process listens for the others. */
  readonly address: string;
  readonly process: number;
  readonly numProcesses: number;
  readonly ranksPerProcess: number;
  /** How long the others have to connect. */
  readonly connectTimeoutMs: number;
  /** How long they have to leave, once this process has. */
  readonly leaveTimeoutMs: number;
  /** By process: what it is told first, and what it must say first. Gloo itself asks nobody who he is. */
  readonly ownTokens: readonly string[];
  readonly theirTokens: readonly string[];
}

/** What processes tell one another in order to connect; opaque. */
export interface RelayedStore {
  readonly relayedStore: unique symbol;
}

/** This process's connections to the others; opaque. */
export interface Bridge {
  readonly bridge: unique symbol;
}
