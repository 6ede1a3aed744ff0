/*
 * Arm's MPS2 board with a Cortex-M4 (qemu-system-arm -M mps2-an386), without an operating system: a vector table, a reset
 * handler, and semihosting for output. At the end it tells how much of the stack was ever used.
 */
#include "board.h"

#include <string.h>

enum { SYS_WRITEC = 0x03, SYS_EXIT_EXTENDED = 0x20, APPLICATION_EXIT = 0x20026 };
static const uint32_t PAINT = 0xdeadbeef;

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[], stack_low[], stack_high[];
int main(void);

static int semihost(int call, const void *argument) {
  register int r0 __asm__("r0") = call;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

void board_write(const char *text, uint32_t length) {
  for (uint32_t i = 0; i < length; i++) semihost(SYS_WRITEC, text + i);
}

static void __attribute__((noreturn)) leave(uint32_t status) {
  const uint32_t block[2] = {APPLICATION_EXIT, status};
  for (;;) semihost(SYS_EXIT_EXTENDED, block);
}

void board_stop(const char *reason) {
  board_write(reason, strlen(reason));
  leave(1);
}

static void write_number(uint32_t value) {
  if (value >= 10) write_number(value / 10);
  board_write(&"0123456789"[value % 10], 1);
}

static void report_stack(void) {
  const uint32_t *low = stack_low;
  while (*low == PAINT) low++;
  board_write("stack: ", 7);
  write_number((uint32_t)((const char *)stack_high - (const char *)low));
  board_write(" bytes\n", 7);
}

void __attribute__((noreturn)) reset(void) {
  *(volatile uint32_t *)0xe000ed88 |= 0xf << 20; /* CPACR: the floating-point unit on */
  __asm__ volatile("dsb\n isb");
  memcpy(data_start, data_load, (char *)data_end - (char *)data_start);
  memset(bss_start, 0, (char *)bss_end - (char *)bss_start);
  uint32_t *here = __builtin_frame_address(0);
  for (uint32_t *word = stack_low; word < here - 64; word++) *word = PAINT;
  const int status = main();
  report_stack();
  leave(status);
}

static void fault(void) { board_stop("fault\n"); }

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
    stack_high, reset, fault, fault, fault, fault, fault,
};
