/* The board as a program on a desktop: the same code with the same memory, for tests. */
#include "board.h"

#include <stdio.h>
#include <stdlib.h>

void board_write(const char *text, uint32_t length) { fwrite(text, 1, length, stdout); }

void board_stop(const char *reason) {
  fputs(reason, stderr);
  exit(1);
}
