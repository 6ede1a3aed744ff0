/**
 * Plans: whatever lives at one time lies apart, for every architecture and many shapes. Lives are found here by walking a
 * whole pass step by step, and not from what the planner noted. And a context of SmolLM2's shape takes what it should.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { architectureOf, SHAPES, TINY } from "../scripts/architectures.mjs";
import { Engine, modelBytes } from "./support/engine.ts";
import { type Extent, FLAG, OP, type Probed, probe, probeCore } from "./support/probe.ts";
import { contextOfSmolLM2 } from "./support/sizes.ts";

const engine = new Engine(await probeCore("probe", "scalar"));
const { core } = engine;

interface Life extends Extent {
  what: string;
  base: number;
  from: number;
  to: number;
}

/** What lies where in a pass, from its first to its last use: a value from each writing to the last reading of it. */
function lives({ segments, places, stream, logits }: Probed): Life[] {
  const found: Life[] = [];
  const open = new Map<number, Life>();
  let time = 0;
  const begin = (base: number, what: string) => {
    const life = { ...(places.get(base) as Extent), what, base, from: time, to: time };
    open.set(base, life);
    found.push(life);
    return life;
  };
  // A host may have put the stream there, for a pass that enters at a later layer.
  begin(stream, "the stream");
  for (const [segment, steps] of segments.entries()) {
    for (const step of steps) {
      const what = `step ${step.index} of segment ${segment}`;
      for (const base of step.reads) {
        const life = open.get(base);
        assert.ok(life, `${what} reads value ${base}, which nobody has written`);
        life.to = time;
      }
      // A step that writes on what it reads, or the second member of a group, goes on with what is there.
      for (const base of step.writes) {
        const life = open.get(base);
        if (life?.to === time) continue;
        begin(base, `value ${base}, written by ${what}`);
      }
      if (step.scratch.bytes)
        found.push({ ...step.scratch, what: `scratch of ${what}`, base: -1, from: time, to: time });
      time++;
    }
  }
  // The host reads both afterwards.
  for (const base of [stream, logits]) (open.get(base) as Life).to = time;
  return found;
}

function assertApart(planned: Probed, what: string): void {
  // In the order in which they begin: each meets those that have not ended.
  let living: Life[] = [];
  for (const a of lives(planned)) {
    if (!a.bytes) continue;
    assert.ok(a.offset >= 0 && a.offset + a.bytes <= planned.bytes, `${what}: ${a.what} lies outside`);
    assert.is(a.offset % 64, 0);
    living = living.filter(({ to }) => to >= a.from);
    for (const b of living) {
      if (a.base === b.base || a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset) continue;
      assert.unreachable(`${what}: ${a.what} and ${b.what} lie on each other`);
    }
    living.push(a);
  }
}

/** Ops that run in place where nothing else needs their input: none of them is ever shared among threads. */
const ALONE = [
  OP.RMS_NORM,
  OP.LAYER_NORM,
  OP.ROPE,
  OP.ADD,
  OP.SQUARED_RELU,
  OP.SCALE,
  OP.SOFTCAP,
  OP.GATE,
  OP.SPARSIFY,
  OP.MIX_STREAMS,
];

function assertPlaces({ segments }: Probed, what: string): void {
  for (const step of segments.flat()) {
    const inPlace = step.writes.some((base) => step.reads.includes(base));
    assert.is(inPlace, (step.flags & FLAG.IN_PLACE) !== 0, `${what}: step ${step.index} says whether it is in place`);
    if (!inPlace) continue;
    // A residual's product is shared, and lies in the scratch; the sum is the main thread's.
    const residual = step.op === OP.LINEAR && (step.flags & FLAG.RESIDUAL) !== 0;
    assert.ok(residual || ALONE.includes(step.op), `${what}: op ${step.op} is in place`);
    if (residual) assert.ok(step.scratch.bytes > 0, `${what}: step ${step.index} has room for its product`);
  }
}

/** Tokens of a pass and rows of its context. */
const PASSES = [
  [1, 1],
  [1, 65],
  [1, 4096],
  [7, 64],
  [7, 4096],
  [128, 1],
  [128, 65],
  [128, 4096],
];

for (const kind of [...new Set([...TINY, "llama-odd"])]) {
  const types = architectureOf(kind).hashes ? ["F32", "F16", "Q8_0", "Q4_0"] : ["F32", "Q4_0", "Q8_0", "Q4_K"];

  test(`${kind}: what lives together lies apart, and a step that threads share writes on nothing that it reads`, () => {
    for (const type of types) {
      const model = engine.load(modelBytes(kind, type));
      const sizes = [8, 1, 1, 1, 1];
      engine.handle(core.call("context_create_tapped", core.core, model.handle, ...sizes, 7));
      for (const tapped of [0, 1]) {
        const program = core.call("probe_program", model.handle, tapped);
        for (const [batch, rows] of PASSES) {
          for (const logitRows of new Set([1, batch >> 1 || 1, batch])) {
            const what = `${kind} ${type}, tapped ${tapped}, ${batch} tokens, ${rows} rows, ${logitRows} logits`;
            const planned = probe(core, program, rows, batch, logitRows);
            assert.is(planned.layers, SHAPES[kind].layers);
            assertApart(planned, what);
            assertPlaces(planned, what);
          }
        }
      }
    }
  });
}

/** Bytes without the cache's values, of a batch of 128 and one row of logits, at 5ca6976. */
const BEFORE: [rows: number, bytes: number, share: number][] = [
  [512, 4_227_136, 0.72],
  [4096, 5_988_416, 0.8],
];

for (const [rows, before, share] of BEFORE) {
  test(`SmolLM2's context of ${rows} rows takes at most ${share} of what it took at 5ca6976, its cache left out`, () => {
    const bytes = contextOfSmolLM2(rows);
    assert.ok(bytes <= share * before, `${bytes} bytes are ${(bytes / before).toFixed(4)} of ${before}`);
  });
}

test.run();
