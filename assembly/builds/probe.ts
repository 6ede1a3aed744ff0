/**
 * The exports of a build that only a test compiles: the records of a program and its plan, field by field. No
 * build of builds.json has them: they would cost bytes that no host needs.
 */
import { Model } from "../engine/model";
import { Program } from "../program/program";
import { planFor } from "../run/open";

export * from "../exports/core_list";

/** The program of a model, or its tapped one: 0 until somebody has tapped it. */
export function probe_program(model: Model, tapped: u32): usize {
  return changetype<usize>(tapped ? model.tapped : model.program);
}

/** Plans it; returns the bytes of all values and scratch. */
export function probe_plan(p: Program, rows: u32, batch: u32, logitRows: u32): f64 {
  return <f64>planFor(p, rows, batch, logitRows);
}

export function probe_number(p: Program, field: u32): u32 {
  switch (field) {
    case 0: return p.layerCount;
    case 1: return p.inputSteps;
    case 2: return p.outputStep;
    case 3: return p.stepCount;
    case 4: return p.valueCount;
    case 5: return p.stream;
    case 6: return p.logits;
    default: return p.narrowLayer;
  }
}

/** The first step of a layer's kind, and how many it has. */
export function probe_layer(p: Program, layer: u32, field: u32): u32 {
  const kind = p.kind(p.layer(layer).kind);
  return field == 0 ? kind.firstStep : kind.steps;
}

export function probe_value(p: Program, id: u32, field: u32): f64 {
  const value = p.value(id);
  switch (field) {
    case 0: return value.base;
    case 1: return <f64>p.value(value.base).offset;
    default: return <f64>p.value(value.base).bytes;
  }
}

export function probe_step(p: Program, index: u32, field: u32): f64 {
  const step = p.step(index);
  switch (field) {
    case 0: return step.op;
    case 1: return step.flags;
    case 2: return step.members;
    case 3: return step.out;
    case 4: return step.out2;
    case 5: return step.in0;
    case 6: return step.in1;
    case 7: return <f64>step.offset;
    default: return <f64>step.scratch;
  }
}
