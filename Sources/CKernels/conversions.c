#include "CKernels.h"
#include "scalar.h"

#define RL_CONVERT(name, source_type, target_type, expression)                         \
  void name(const source_type *source, target_type *target, size_t count) {            \
    for (size_t i = 0; i < count; i++) {                                               \
      source_type x = source[i];                                                       \
      target[i] = (target_type)(expression);                                           \
    }                                                                                  \
  }

RL_CONVERT(rl_f16_to_f64, uint16_t, double, rl_one_f16_to_f32(x))
RL_CONVERT(rl_bf16_to_f64, uint16_t, double, rl_one_bf16_to_f32(x))
RL_CONVERT(rl_f32_to_f64, float, double, x)
RL_CONVERT(rl_f64_to_f16, double, uint16_t, rl_one_f64_to_f16(x))
RL_CONVERT(rl_f64_to_bf16, double, uint16_t, rl_one_f64_to_bf16(x))
RL_CONVERT(rl_f64_to_f32, double, float, x)
RL_CONVERT(rl_f16_to_f32, uint16_t, float, rl_one_f16_to_f32(x))
RL_CONVERT(rl_bf16_to_f32, uint16_t, float, rl_one_bf16_to_f32(x))
RL_CONVERT(rl_f32_to_f16, float, uint16_t, rl_one_f32_to_f16(x))
RL_CONVERT(rl_f32_to_bf16, float, uint16_t, rl_one_f32_to_bf16(x))
