/// What libFuzzer offers a program that brings its own main, and its mutators.
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *count, char ***arguments, int (*run)(const uint8_t *, size_t));
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t count, size_t capacity);
