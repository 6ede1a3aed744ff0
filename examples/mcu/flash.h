/*
 * A model that is read where it lies, in flash: on a machine of 32 bits any address is one of linear memory, counted from
 * its beginning. build.sh puts READ_CHECK in the place of the bounds that wasm2c's loads have; stores keep theirs.
 */
#ifndef FLASH_H
#define FLASH_H

#include <stdint.h>

extern const uint8_t board_model[], board_model_end[];

static inline int in_flash(const void *bytes, uint64_t length) {
  const uint32_t at = (uint32_t)bytes - (uint32_t)board_model, size = (uint32_t)(board_model_end - board_model);
  return at <= size && length <= size - at;
}

#define READ_CHECK(mem, at, length) \
  if (UNLIKELY((at) + (uint64_t)(length) > (mem)->size) && !in_flash((mem)->data + (at), length)) TRAP(OOB);

#endif
