#include "CKernels.h"

#include <string.h>

// Elements are handled in blocks that stay in the cache, a fixed width in each loop, so that the
// compiler turns them into vector code.
enum { RL_BLOCK = 4096 };

#define RL_SHUFFLE(width)                                                               \
  static void rl_shuffle_##width(const uint8_t *restrict source, uint8_t *restrict target, \
                                 size_t count) {                                        \
    for (size_t start = 0; start < count; start += RL_BLOCK) {                          \
      size_t end = start + RL_BLOCK < count ? start + RL_BLOCK : count;                 \
      for (size_t byte = 0; byte < width; byte++)                                       \
        for (size_t i = start; i < end; i++)                                            \
          target[byte * count + i] = source[i * width + byte];                          \
    }                                                                                   \
  }

RL_SHUFFLE(2)
RL_SHUFFLE(4)
RL_SHUFFLE(8)

static void rl_unshuffle_2(const uint8_t *restrict source, uint8_t *restrict target, size_t count) {
  const uint8_t *low = source, *high = source + count;
  for (size_t i = 0; i < count; i++) {
    target[2 * i] = low[i];
    target[2 * i + 1] = high[i];
  }
}

static void rl_unshuffle_4(const uint8_t *restrict source, uint8_t *restrict target, size_t count) {
  const uint8_t *s0 = source, *s1 = s0 + count, *s2 = s1 + count, *s3 = s2 + count;
  for (size_t i = 0; i < count; i++) {
    target[4 * i] = s0[i];
    target[4 * i + 1] = s1[i];
    target[4 * i + 2] = s2[i];
    target[4 * i + 3] = s3[i];
  }
}

static void rl_unshuffle_8(const uint8_t *restrict source, uint8_t *restrict target, size_t count) {
  for (size_t i = 0; i < count; i++)
    for (size_t byte = 0; byte < 8; byte++) target[8 * i + byte] = source[byte * count + i];
}

void rl_shuffle(const uint8_t *source, uint8_t *target, size_t count, size_t width) {
  switch (width) {
    case 2: rl_shuffle_2(source, target, count); break;
    case 4: rl_shuffle_4(source, target, count); break;
    case 8: rl_shuffle_8(source, target, count); break;
    default: memcpy(target, source, count * width);
  }
}

void rl_unshuffle(const uint8_t *source, uint8_t *target, size_t count, size_t width) {
  switch (width) {
    case 2: rl_unshuffle_2(source, target, count); break;
    case 4: rl_unshuffle_4(source, target, count); break;
    case 8: rl_unshuffle_8(source, target, count); break;
    default: memcpy(target, source, count * width);
  }
}
