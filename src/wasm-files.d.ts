/** Wasm files as modules: bytes in limpet/inline (the build puts them there), a compiled module in workerd. */
declare module "*.wasm" {
  const wasm: unknown;
  export default wasm;
}
