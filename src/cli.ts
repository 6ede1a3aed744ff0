#!/usr/bin/env node
/** The executable `limpet`. */
import { main } from "./cli/main.ts";

process.exitCode = await main(process.argv.slice(2));
