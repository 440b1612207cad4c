/* What the kernel needs of a C library when it is compiled for WebAssembly: wasm.c has it. */
#ifndef DLV_WASM_STDLIB_H
#define DLV_WASM_STDLIB_H
#include <stddef.h>
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *block, size_t size);
void free(void *block);
#endif
