/**
 * A server of models in Deno or Bun: its entry, the options, and the models as JSON of names and paths. It prints its
 * port, and serves until it is stopped.
 */
const [entry, options, models] = process.argv.slice(2);
const { handler } = await import(entry);
const answer = handler(JSON.parse(models), JSON.parse(options));
const listen = { port: 0, hostname: "127.0.0.1" };
if (globalThis.Deno) Deno.serve({ ...listen, onListen: ({ port }) => console.log(port) }, answer);
else console.log(Bun.serve({ ...listen, fetch: answer, idleTimeout: 0 }).port);
