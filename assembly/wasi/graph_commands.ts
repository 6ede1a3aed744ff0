/**
 * The command line of the builds for graphs, as commands.ts has it: its lines for `graph` and no others, so that
 * nothing of language is in the wasm (a test compares them); and --trace, which compares hosts.
 */

export const GRAPH_TITLE: string = "limpet runs small networks in WebAssembly.";

export const GRAPH_COMMANDS: string = `
graph FILE|show what a .tflite network takes and gives, or run it
  input values-memory out json trace
`;

export const GRAPH_FLAGS: string = `
json||--json|||print JSON
input|-i|--input|TEXT+||an input's raw values, of one run or several: FILE, in the network's order, or NAME=FILE
values-memory||--memory|N|0|bytes for values and inputs, patch by patch where that is less; 0: no limit
out|-o|--out|FILE||the file to write
trace||--trace|||print the CRC-32 of what each operator writes instead of outputs
`;
