/** All fuzzers. */
import { abi } from "./abi.ts";
import { apiArguments } from "./arguments.ts";
import { checkpoints } from "./checkpoints.ts";
import { downloads } from "./downloads.ts";
import type { Fuzzer } from "./fuzzer.ts";
import { ggufApi } from "./gguf-api.ts";
import { ggufHeaders } from "./gguf-headers.ts";
import { ggufModels } from "./gguf-models.ts";
import { grammars } from "./grammars.ts";
import { graphs } from "./graphs.ts";
import { sessions } from "./sessions.ts";
import { vocabularies } from "./vocabularies.ts";

export const FUZZERS: readonly Fuzzer[] = [
  ggufHeaders,
  ggufModels,
  ggufApi,
  downloads,
  checkpoints,
  sessions,
  grammars,
  graphs,
  vocabularies,
  apiArguments,
  abi,
];
