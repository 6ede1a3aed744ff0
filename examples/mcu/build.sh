#!/bin/sh
# Builds the example:  build.sh BOARD MODEL.gguf OUT [MAIN.c]       BOARD: host, mps2
#
# Needs wasm2c (Debian's wabt), and gcc or arm-none-eabi-gcc with newlib. Run it with ./OUT, or with
#     qemu-system-arm -M mps2-an386 -nographic -semihosting -kernel OUT
set -eu
board=$1
model=$(realpath "$2")
out=$(realpath -m "$3")
here=$(dirname "$(realpath "$0")")
wasm=$here/../../build/limpet.mcu.wasm
program=$(realpath "${4:-$here/main.c}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The linear memory ends at the constant __heap_base.
memory=$(wasm-objdump -x "$wasm" | sed -n 's/.*<__heap_base> - init i32=\([0-9]*\).*/\1/p')
wasm2c "$wasm" -n limpet -o "$work/limpet.c"

case $board in
host) tools="" machine="" link="" ;;
mps2)
  tools=arm-none-eabi-
  machine="-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16"
  link="-nostartfiles -T $here/mps2.ld --specs=nano.specs"
  ;;
*) echo "board: host or mps2" >&2; exit 2 ;;
esac

# -ffp-contract=off: a multiplication and an addition stay two roundings, as in every other host.
options="$machine -O2 -ffp-contract=off -ffunction-sections -fdata-sections -DNDEBUG -DMEMORY_BYTES=$memory
  -DWASM_RT_MEMCHECK_SIGNAL_HANDLER=0 -DWASM_RT_SKIP_SIGNAL_RECOVERY=1 -DWASM_RT_USE_STACK_DEPTH_COUNT=0"
mkdir -p "$work/include"
cp /usr/include/wasm-rt.h "$work/include"
for source in "$work/limpet.c" "$program" "$here/memory.c" "$here/board_$board.c" "$here/../embed-c/host.c"; do
  "${tools}gcc" $options -I"$work" -I"$work/include" -I"$here" -c "$source" -o "$work/$(basename "$source").o"
done
"${tools}gcc" $machine -DMODEL="\"$model\"" -c "$here/model.S" -o "$work/model.o"
"${tools}gcc" $machine "$work"/*.o $link -Wl,--gc-sections -lm -o "$out"
"${tools}size" "$out"
