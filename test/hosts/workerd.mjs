/** The Worker of the checks: a request brings a job, the answer is what came out. */

import { runChecks } from "./checks.mjs";
import * as limpet from "./limpet/js/workerd.js";
import { kernels } from "./limpet/js/workerd-kernels.js";
import scalar from "./limpet/limpet.scalar.wasm";

export default {
  async fetch(request) {
    const job = await request.json();
    try {
      return Response.json(await runChecks({ ...limpet, kernels }, { ...job, wasm: { scalar } }));
    } catch (error) {
      return new Response(`${error?.stack ?? error}`, { status: 500 });
    }
  },
};
