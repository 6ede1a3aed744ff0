#!/bin/sh
# Builds an example:  build.sh BOARD MODEL.gguf OUT [MAIN.c]       BOARD: host, mps2
#                     INPUT=RAW build.sh BOARD NETWORK.tflite OUT [MAIN.c]
#
# WEIGHTS=streamed leaves a language model's weights in flash, WEIGHTS=flash (mps2) a network's whole file. MEMORY=BYTES
# gives less linear memory than the core was built for.
# WASM: the build, limpet.mcu.wasm, of networks limpet.graph.mcu.wasm; what `limpet slim --like` makes is smaller.
# EXTRA: more options for the compiler; OPTIMIZE: how hard it tries (-O2).
#
# Needs wasm2c (Debian's wabt), and gcc or arm-none-eabi-gcc with newlib. Run it with ./OUT, or with
#     qemu-system-arm -M mps2-an386 -nographic -semihosting -kernel OUT
set -eu
board=$1
model=$(realpath "$2")
out=$(realpath -m "$3")
here=$(dirname "$(realpath "$0")")
root=$here/../..
if [ -n "${INPUT:-}" ]; then
  wasm=$(realpath "${WASM:-$root/build/limpet.graph.mcu.wasm}")
  program=$(realpath "${4:-$here/graph.c}")
  library=$root/examples/embed-c/graph.c
  input=$(realpath "$INPUT")
else
  wasm=$(realpath "${WASM:-$root/build/limpet.mcu.wasm}")
  program=$(realpath "${4:-$here/main.c}")
  library=$root/examples/embed-c/host.c
  input=""
fi
objects=$root/build/mcu/$board/$(basename "$wasm" .wasm)

case $board in
host) tools="" machine="" link="" ;;
mps2)
  tools=arm-none-eabi-
  machine="-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16"
  link="-nostartfiles -T $here/mps2.ld --specs=nano.specs -Wl,--no-warn-execstack"
  ;;
*) echo "board: host or mps2" >&2; exit 2 ;;
esac

# The linear memory ends at the constant __heap_base, unless said otherwise.
memory=${MEMORY:-$(wasm-objdump -x "$wasm" | sed -n 's/.*<__heap_base> - init i32=\([0-9]*\).*/\1/p')}
load=limpet_graph_load
weights=LIMPET_RESIDENT
case ${WEIGHTS:-resident}-$board-${input:+network} in
resident-*) ;;
streamed-*-) weights=LIMPET_STREAMED ;;
flash-mps2-network) load=limpet_graph_load_in_place; objects=$objects-flash ;;
*) echo "WEIGHTS: resident; streamed for a language model; flash for a network on a machine of 32 bits" >&2; exit 2 ;;
esac

# -ffp-contract=off: a multiplication and an addition stay two roundings, as in every other host.
options="$machine ${OPTIMIZE:--O2} -ffp-contract=off -ffunction-sections -fdata-sections -DNDEBUG -DMEMORY_BYTES=$memory -DWEIGHTS=$weights -DLOAD=$load
  -DWASM_RT_MEMCHECK_SIGNAL_HANDLER=0 -DWASM_RT_SKIP_SIGNAL_RECOVERY=1 -DWASM_RT_USE_STACK_DEPTH_COUNT=0"

mkdir -p "$objects"
cp /usr/include/wasm-rt.h "$objects" # a cross compiler does not look where this one lies
if [ ! -e "$objects/limpet.o" ] || [ "$wasm" -nt "$objects/limpet.o" ]; then
  wasm2c "$wasm" -n limpet -o "$objects/limpet.c"
  readable=""
  if [ "$load" = limpet_graph_load_in_place ]; then
    readable="-include $here/flash.h"
    sed -i -e '/#define DEFINE_LOAD(/,/MEMCHECK/ s/MEMCHECK(mem, addr, t1)/READ_CHECK(mem, addr, sizeof(t1))/' \
      -e 's/RANGE_CHECK(src, src_addr, n)/READ_CHECK(src, src_addr, n)/' "$objects/limpet.c"
    if [ "$(grep -c READ_CHECK "$objects/limpet.c")" -lt 2 ]; then
      echo "this wasm2c writes other loads than that of wabt 1.0.32" >&2
      exit 1
    fi
  fi
  "${tools}gcc" $options $readable -I"$objects" -c "$objects/limpet.c" -o "$objects/limpet.o"
fi
"${tools}gcc" $machine -DMODEL="\"$model\"" ${input:+"-DINPUT=\"$input\""} -c "$here/model.S" -o "$objects/model.o"
"${tools}gcc" $options ${EXTRA:-} -I"$objects" -I"$here" -I"$root/examples/embed-c" -I"$root/build" "$program" "$here/memory.c" \
  "$here/board_$board.c" "$library" "$objects/limpet.o" "$objects/model.o" \
  $link -Wl,--gc-sections -lm -o "$out"
"${tools}size" "$out"
