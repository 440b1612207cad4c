/* The loops of compute.c with AVX2 and FMA, and with AVX-512. */
#include "compute_work.h"
#include "dispatch.h"

#ifdef DLV_X86
#include <immintrin.h>

#define LOOPS(name) compute_avx2_##name
#define LOOPS_TARGET __attribute__((target("avx2,fma")))
#define LOOPS_LANES 8u
#define LOOPS_ROWS 6u
#define LOOPS_FMA(a, b, c) ((LOOPS(vector))_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#include "compute_matrix_body.h"
/* The table of all loops stands at its end. */
#include "compute_layers_body.h"
#undef LOOPS
#undef LOOPS_TARGET
#undef LOOPS_LANES
#undef LOOPS_ROWS
#undef LOOPS_FMA
#undef LOOPS_CASE

#define LOOPS(name) compute_avx512_##name
#define LOOPS_TARGET __attribute__((target("avx512f,avx512vl,avx512bw,fma")))
#define LOOPS_LANES 16u
#define LOOPS_ROWS 12u
#define LOOPS_FMA(a, b, c) ((LOOPS(vector))_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#include "compute_matrix_body.h"
/* The table of all loops stands at its end. */
#include "compute_layers_body.h"
#endif
