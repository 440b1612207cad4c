/* The loops of compute.c for vectors of 128 bits, which every processor and WebAssembly have. */
#include "compute_work.h"

#define LOOPS(name) compute_portable_##name
#define LOOPS_TARGET
#define LOOPS_LANES 4u
#define LOOPS_ROWS 4u
#define LOOPS_FMA(a, b, c) ((a) * (b) + (c))
#include "compute_matrix_body.h"
/* The table of all loops stands at its end. */
#include "compute_layers_body.h"
