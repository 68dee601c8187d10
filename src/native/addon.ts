/** A handle into the thread's tensor table: slot + generation * 2^20. */
export type Handle = number;

export type NativeArgument =
  | number
  | boolean
  | string
  | null
  | undefined
  | readonly (number | boolean | null)[];

export type NativeResult = Handle | null | NativeResult[];

/** Makes what the addon throws when LibTorch refuses a call; `problem` is the first line of LibTorch's message. */
export type NativeErrorClass = new (
  code: "LIBTORCH" | "OUT_OF_MEMORY",
  problem: string,
  operator: string | undefined,
  args: readonly string[],
) => Error;

/**
 * The whole native boundary. What it throws is of the class that `setErrorClass` was given, or, when a wait ends early,
 * an error with the code ABORTED, TIMEOUT or MISMATCHED_MESSAGE.
 */
export interface Addon {
  readonly libtorchVersion: string;
  /** The class of this thread's errors from now on. */
  setErrorClass(errorClass: NativeErrorClass): void;
  /** The number of an operator of the dispatcher, to call it by. */
  op(name: string, overload: string): number;
  /** The schemas of all operators whose names begin with the prefix, such as `aten::`, sorted by name and overload. */
  schemas(prefix: string): NativeSchema[];
  /**
   * Tensors go in and come out as handles; a single result comes alone, several as a list. A number that the operator
   * returns comes as a tensor of no dimensions.
   * @param word The operator's number plus, for each argument `i` that is a tensor or a list of tensors, `2 ** (16 +
   * i)`
   */
  call(word: number, ...args: readonly NativeArgument[]): NativeResult;
  /** Calls an operator that returns its own argument. */
  callInPlace(word: number, ...args: readonly NativeArgument[]): void;
  fromBytes(bytes: ArrayBufferView, dtype: number, shape: readonly number[]): Handle;
  /** A copy of the elements in row-major order. */
  toBytes(tensor: Handle): ArrayBuffer;
  /** The same into memory of exactly that size. */
  copyBytes(tensor: Handle, bytes: Uint8Array): void;
  shape(tensor: Handle): number[];
  dtype(tensor: Handle): number;
  /** The number of tensors, in any thread, that share this one's storage. */
  storageUses(tensor: Handle): number;
  free(tensor: Handle): void;
  /** Tensors alive in this thread. */
  numTensors(): number;
  seed(seed: number): void;
  /** The state of this thread's random generator, as a tensor of bytes. */
  randomState(): Handle;
  setRandomState(state: Handle): void;
  setNumThreads(threads: number): void;
  /** Null in a build for a LibTorch without CUDA. */
  readonly cuda: CudaAddon | null;
  /** Bytes of CPU tensors of the whole process, now and at most since `resetPeakBytes`. */
  memory(): { liveBytes: number; peakBytes: number };
  resetPeakBytes(): void;
  releaseCache(): void;
  /** True to the first caller with this text, of all threads of the process. */
  isFirst(text: string): boolean;
  readonly mailbox: {
    open(name: string, numMailboxes: number): Mailboxes;
    /** `phases`: of the group, and before it of the groups that it is a subgroup of; the first phase by default. */
    put(
      mailboxes: Mailboxes,
      mailbox: number,
      tensors: readonly (Handle | null)[],
      label?: string,
      ...phases: readonly number[]
    ): void;
    /**
     * The oldest message; blocks this thread until there is one. Fails with a code; its message is the reason when the
     * phase was closed, and the label of the message that is here when it has another.
     */
    take(
      mailboxes: Mailboxes,
      mailbox: number,
      timeoutMs: number,
      label?: string,
      ...phases: readonly number[]
    ): (Handle | null)[];
    arrived(mailboxes: Mailboxes, mailbox: number, ...phases: readonly number[]): boolean;
    /** The label of the oldest message; null when there is none, or it is of other phases. */
    peek(mailboxes: Mailboxes, mailbox: number, ...phases: readonly number[]): string | null;
    /** Ends every wait of these phases, now and later, in each set whose name has this prefix; all waits by default. */
    close(prefix: string, reason: string, level?: number, fromPhase?: number): void;
  };
  readonly processes: {
    /** Whether LibTorch was built with Gloo, and its headers are there. */
    readonly hasGloo: boolean;
    /** Whether the addon was built with NCCL, and LibTorch has it. */
    readonly hasNccl: boolean;
    /**
     * Connects this process to the others, in a thread of its own; `attach` then finds the bridge by its name. The
     * other processes must `learn` each key that `publish` is called with.
     */
    connect(
      options: BridgeOptions,
      publish: (key: string, value: Uint8Array) => void,
    ): { readonly store: RelayedStore; readonly connected: Promise<void> };
    learn(store: RelayedStore, key: string, value: Uint8Array): void;
    /** Sets a key of another program's TCPStore, or waits until it is set; returns its value. */
    exchange(
      host: string,
      port: number,
      key: string,
      value: Uint8Array | undefined,
      timeoutMs: number,
    ): Promise<Uint8Array>;
    /** The bridge that this process has connected by this name, for any of its threads. */
    attach(bridgeName: string): Bridge;
    /** A set whose messages may come from other processes; closed at once when it was aborted before. */
    open(bridge: Bridge, name: string, numMailboxes: number): Mailboxes;
    send(
      bridge: Bridge,
      mailboxes: Mailboxes,
      mailbox: number,
      process: number,
      tag: number,
      tensors: readonly (Handle | null)[],
      label: string,
      ...phases: readonly number[]
    ): void;
    /** Receives messages with this tag from now on. */
    listen(bridge: Bridge, process: number, tag: number): void;
    /** Connects channels of this thread's card, and waits for the processes at their other ends, which do the same. */
    connectCards(
      bridge: Bridge,
      timeoutMs: number,
      ends: readonly { readonly process: number; readonly tag: number; readonly isSender: boolean }[],
    ): void;
    /** How many messages with this tag have arrived in their mailboxes. */
    numReceived(bridge: Bridge, process: number, tag: number): number;
    /** From any thread: `close` of mailboxes, in all processes. Returns false when nothing is connected. */
    abort(bridgeName: string, prefix: string, reason: string, level?: number, fromPhase?: number): boolean;
    /**
     * Each rank's last call. The last rank of a process waits until everything sent is on its way and, when all ranks
     * ended well, for the other processes.
     */
    leave(bridge: Bridge, well: boolean): void;
    /** Ends the connections of a process whose ranks have not left and never will. */
    disconnect(bridgeName: string): void;
  };
  /** Calls above LibTorch's autograd, with a graph for each. */
  readonly recording: {
    /** @param wanted Which of the tensors among the arguments, each of a list for itself, are to have a gradient. */
    record(wanted: readonly (0 | 1)[], word: number, ...args: readonly NativeArgument[]): NativeRecording;
    gradients(
      recording: number,
      resultGradients: readonly (Handle | null)[],
      positions: readonly number[],
    ): (Handle | null)[];
    release(recording: number): void;
  };
  /** LibTorch's own autograd, for tests to compare with. */
  readonly oracle: {
    enable(enabled: boolean): void;
    requireGradient(tensor: Handle): void;
    /** Whether a gradient flows to the tensor: it requires one, or was computed from one that does. */
    hasGradient(tensor: Handle): boolean;
    gradients(
      outputs: readonly Handle[],
      inputs: readonly Handle[],
      outputGradients: readonly Handle[],
    ): (Handle | null)[];
  };
}

/** What one operator of the dispatcher takes and returns. */
export interface NativeSchema {
  readonly name: string;
  readonly overload: string;
  /** As LibTorch writes it. */
  readonly text: string;
  readonly arguments: readonly NativeSchemaArgument[];
  /** Types, as LibTorch writes them. */
  readonly results: readonly string[];
  /** Where LibTorch's autograd has its gradient from: a kernel above it, the operators it is made of, or nothing. */
  readonly gradient: "kernel" | "composite" | "none";
  /** Whether it takes random numbers. */
  readonly isRandom: boolean;
}

export interface NativeSchemaArgument {
  readonly name: string;
  /** As LibTorch writes it, such as `Tensor?` or `int[2]`. */
  readonly type: string;
  readonly hasDefault: boolean;
  readonly isWritten: boolean;
}

/**
 * What a recorded call left behind: the number of the recording; the number of results; for each result its handle or
 * -1, the position of the tensor whose elements it shares or -1, and 1 if a gradient flows through it plus 2 if its
 * elements are saved for the backward; then the positions of the tensors whose elements are.
 */
export type NativeRecording = readonly number[];

/** What only cards have. All but the first three are about this thread's card, and need `open` first. */
export interface CudaAddon {
  /** 0 without a driver. */
  numCards(): number;
  cards(): CardDescription[];
  /** Versions: CUDA, the newest CUDA that the driver can run, and NCCL; null where there is none. */
  versions(): { runtime: string; driver: string | null; nccl: string | null };
  /** Makes a card, and a stream on it, this thread's own, and a generator on the card its random generator. */
  open(card: number): void;
  /** Whether products of float32 matrices may round their factors to TF32, on all cards of the process. */
  setTf32(isAllowed: boolean): void;
  fromBytes(bytes: ArrayBufferView, dtype: number, shape: readonly number[]): Handle;
  /** Bytes of the tensors of all threads on the card, in the blocks of LibTorch's allocator. */
  memory(): { liveBytes: number; peakBytes: number };
  resetPeakBytes(): void;
  releaseCache(): void;
  /** Waits until this thread's stream is done. */
  synchronize(): void;
  /** How often this thread has waited for its stream, in `synchronize`, in a read or within an operator. */
  numSynchronizations(): number;
  /** The number of the moment at which all that this thread has launched so far has run. */
  mark(): number;
  /** How long ago each of these moments was, once the stream is done. Their numbers are then used again. */
  msSince(marks: readonly number[]): number[];
  /** From now on, copies between cards are timed whose messages this thread reads. */
  recordTransfers(): void;
  /**
   * For each such copy since the last call, which must all be over: how many ms ago it began, how many ms ago it ended,
   * and its bytes, in one list.
   */
  takeTransfers(): number[];
  readonly graph: {
    /** All that this thread launches from now on becomes a graph, and does not run. */
    begin(): void;
    end(): CudaGraph;
    /** Ends a capture that failed. */
    discard(): void;
    replay(graph: CudaGraph): void;
    /** Frees a graph and its memory once its last replay has ended; a second call does nothing. */
    free(graph: CudaGraph): void;
  };
}

/** A captured step; opaque. */
export interface CudaGraph {
  readonly cudaGraph: unique symbol;
}

export interface CardDescription {
  readonly name: string;
  readonly memoryBytes: number;
  /** Compute capability, such as "9.0". */
  readonly capability: string;
  /** Cards whose memory this one reads and writes directly. */
  readonly peers: readonly number[];
}

/** An open set of mailboxes, one per channel of a group; opaque. */
export interface Mailboxes {
  readonly mailboxes: unique symbol;
}

/** The processes of a run, which one this is, and how it connects to the others. */
export interface BridgeOptions {
  /** Unique in this process. */
  readonly name: string;
  /** The address at which this process listens for the others. */
  readonly address: string;
  readonly process: number;
  readonly numProcesses: number;
  readonly ranksPerProcess: number;
  /** The time that the others have to connect. */
  readonly connectTimeoutMs: number;
  /** The time that they have to leave, once this process has left. */
  readonly leaveTimeoutMs: number;
  /** Over Gloo, or else over TCP sockets. */
  readonly overGloo: boolean;
  /** What carries tensors between cards of different processes; the same in all of them. */
  readonly cardNetwork: "auto" | "nccl" | "host";
  /** The first bytes sent to each process, and those that it must send first. Gloo itself accepts any connection. */
  readonly ownTokens: readonly string[];
  readonly theirTokens: readonly string[];
}

/** The keys and values that processes exchange in order to connect; opaque. */
export interface RelayedStore {
  readonly relayedStore: unique symbol;
}

/** This process's connections to the others; opaque. */
export interface Bridge {
  readonly bridge: unique symbol;
}
