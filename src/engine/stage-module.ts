import type { Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A module that can be a stage: any tensors in and out, absent ones as null. */
export type StageModule = Module<never, Tensor | readonly (Tensor | null)[]>;

/** `criterion(...outputs, ...labels)`: a tensor with one element. It declares the parameters that it takes, tensors or null. */
export type Criterion = (...outputsAndLabels: never[]) => Tensor;
