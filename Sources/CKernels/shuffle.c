#include "CKernels.h"

#include <string.h>

// A vector of sixteen bytes and the four ways to sort the bytes of two: every one is one or a few
// instructions on x86-64 (SSE2) and on arm64.
typedef uint8_t rl_bytes __attribute__((vector_size(16)));

static inline rl_bytes rl_even(rl_bytes a, rl_bytes b) {
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}

static inline rl_bytes rl_odd(rl_bytes a, rl_bytes b) {
  return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

static inline rl_bytes rl_low_zip(rl_bytes a, rl_bytes b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

static inline rl_bytes rl_high_zip(rl_bytes a, rl_bytes b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

// Sixteen elements as `width` vectors become `width` vectors of their first, second, … bytes:
// each round parts bytes by one more bit of their place in the element.
static inline void rl_part(rl_bytes *v, size_t width) {
  for (size_t stride = 1; stride < width; stride *= 2) {
    rl_bytes next[8];
    for (size_t i = 0; i < width / 2; i++) {
      next[i] = rl_even(v[2 * i], v[2 * i + 1]);
      next[i + width / 2] = rl_odd(v[2 * i], v[2 * i + 1]);
    }
    for (size_t i = 0; i < width; i++) v[i] = next[i];
  }
}

// The inverse of `rl_part`, round by round.
static inline void rl_join(rl_bytes *v, size_t width) {
  for (size_t stride = 1; stride < width; stride *= 2) {
    rl_bytes next[8];
    for (size_t i = 0; i < width / 2; i++) {
      next[2 * i] = rl_low_zip(v[i], v[i + width / 2]);
      next[2 * i + 1] = rl_high_zip(v[i], v[i + width / 2]);
    }
    for (size_t i = 0; i < width; i++) v[i] = next[i];
  }
}

// Parting by the lowest bit of a byte's place first puts that bit highest in a vector's number, and
// each later round moves it down by one: in the end vector i holds the bytes of place i.
#define RL_WIDTH(width)                                                                       \
  static void rl_shuffle_##width(const uint8_t *restrict source, uint8_t *restrict target,    \
                                 size_t count) {                                              \
    size_t i = 0;                                                                             \
    for (; i + 16 <= count; i += 16) {                                                        \
      rl_bytes v[width];                                                                      \
      memcpy(v, source + i * width, sizeof v);                                                \
      rl_part(v, width);                                                                      \
      for (size_t byte = 0; byte < width; byte++) memcpy(target + byte * count + i, &v[byte], 16); \
    }                                                                                         \
    for (; i < count; i++)                                                                    \
      for (size_t byte = 0; byte < width; byte++)                                             \
        target[byte * count + i] = source[i * width + byte];                                  \
  }                                                                                           \
  static void rl_unshuffle_##width(const uint8_t *restrict source, uint8_t *restrict target,  \
                                   size_t count) {                                            \
    size_t i = 0;                                                                             \
    for (; i + 16 <= count; i += 16) {                                                        \
      rl_bytes v[width];                                                                      \
      for (size_t byte = 0; byte < width; byte++) memcpy(&v[byte], source + byte * count + i, 16); \
      rl_join(v, width);                                                                      \
      memcpy(target + i * width, v, sizeof v);                                                \
    }                                                                                         \
    for (; i < count; i++)                                                                    \
      for (size_t byte = 0; byte < width; byte++)                                             \
        target[i * width + byte] = source[byte * count + i];                                  \
  }

RL_WIDTH(2)
RL_WIDTH(4)
RL_WIDTH(8)

void rl_shuffle(const uint8_t *source, uint8_t *target, size_t count, size_t width) {
  switch (width) {
    case 2: rl_shuffle_2(source, target, count); break;
    case 4: rl_shuffle_4(source, target, count); break;
    case 8: rl_shuffle_8(source, target, count); break;
    default:
      for (size_t i = 0; i < count; i++)
        for (size_t byte = 0; byte < width; byte++)
          target[byte * count + i] = source[i * width + byte];
  }
}

void rl_unshuffle(const uint8_t *source, uint8_t *target, size_t count, size_t width) {
  switch (width) {
    case 2: rl_unshuffle_2(source, target, count); break;
    case 4: rl_unshuffle_4(source, target, count); break;
    case 8: rl_unshuffle_8(source, target, count); break;
    default:
      for (size_t i = 0; i < count; i++)
        for (size_t byte = 0; byte < width; byte++)
          target[i * width + byte] = source[byte * count + i];
  }
}
