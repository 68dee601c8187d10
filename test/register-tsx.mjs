// Loads TypeScript in this thread: Node's loaders are per thread, and tsx registers its own in the main one only.
import { register } from "tsx/esm/api";

register();
