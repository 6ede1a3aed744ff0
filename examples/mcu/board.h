/* What a machine gives to the example: where the model lies, and where text goes. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* The model's file, from board_model up to board_model_end (model.S). */
extern const uint8_t board_model[], board_model_end[];

void board_write(const char *text, uint32_t length);

/* Ends the program after a trap of the core, which no input should bring about. */
void board_stop(const char *reason) __attribute__((noreturn));

#endif
