/** A server of models as a Worker, which fetches them. */

import { handler } from "./limpet/js/server.js";
import { Model } from "./limpet/js/workerd.js";

let answer;

export default {
  fetch(request, env) {
    const { models, options } = env.SERVER;
    const loaders = Object.entries(models).map(([name, url]) => [name, () => Model.load(url)]);
    answer ??= handler(Object.fromEntries(loaders), options);
    return answer(request);
  },
};
