/*
 * Products of matrices and convolutions, written once for each instruction set (compute.c).
 *
 * LOOPS(name): name of a function of this build. LOOPS_TARGET: its attribute. LOOPS_LANES: floats of a vector.
 * LOOPS_ROWS: rows that the inner loop keeps in registers. LOOPS_FMA(a, b, c): a·b + c.
 *
 * A block of b has its rows side by side in scratch, so that a row of an image is copied as a whole. Rows of a are
 * read where they are if their numbers stand side by side.
 */
typedef float LOOPS(vector) __attribute__((vector_size(4 * LOOPS_LANES), aligned(4), may_alias));

/* c[m][n] += a[m][k] · b[k][n] for m ≤ LOOPS_ROWS rows and `vectors` vectors of columns. */
LOOPS_TARGET static inline __attribute__((always_inline)) void LOOPS(kernel)(
    const int m, const int vectors, const float *a, size_t a_stride, const float *b, uint32_t inner,
    float *c) {
  LOOPS(vector) sums[LOOPS_ROWS][2];
  for (int i = 0; i < m; i++) {
    for (int v = 0; v < vectors; v++) {
      sums[i][v] = *(const LOOPS(vector) *)(c + (size_t)i * COMPUTE_B_STRIDE + v * LOOPS_LANES);
    }
  }
  for (uint32_t k = 0; k < inner; k++) {
    LOOPS(vector) row[2];
    for (int v = 0; v < vectors; v++) {
      row[v] = *(const LOOPS(vector) *)(b + (size_t)k * COMPUTE_B_STRIDE + v * LOOPS_LANES);
    }
    for (int i = 0; i < m; i++) {
      const LOOPS(vector) factor = a[(size_t)i * a_stride + k] - (LOOPS(vector)){0};
      for (int v = 0; v < vectors; v++) sums[i][v] = LOOPS_FMA(factor, row[v], sums[i][v]);
    }
  }
  for (int i = 0; i < m; i++) {
    for (int v = 0; v < vectors; v++) {
      *(LOOPS(vector) *)(c + (size_t)i * COMPUTE_B_STRIDE + v * LOOPS_LANES) = sums[i][v];
    }
  }
}

#define LOOPS_CASE(m)                                                \
  case m:                                                            \
    if (vectors == 2) LOOPS(kernel)(m, 2, a, a_stride, b, inner, c); \
    else LOOPS(kernel)(m, 1, a, a_stride, b, inner, c);              \
    break;

LOOPS_TARGET static void LOOPS(rows)(uint32_t m, int vectors, const float *a, size_t a_stride,
                                     const float *b, uint32_t inner, float *c) {
  switch (m) {
    LOOPS_CASE(1)
    LOOPS_CASE(2)
    LOOPS_CASE(3)
    LOOPS_CASE(4)
#if LOOPS_ROWS > 4
    LOOPS_CASE(5)
    LOOPS_CASE(6)
#endif
#if LOOPS_ROWS > 6
    LOOPS_CASE(7)
    LOOPS_CASE(8)
    LOOPS_CASE(9)
    LOOPS_CASE(10)
    LOOPS_CASE(11)
    LOOPS_CASE(12)
#endif
    default: break;
  }
}

/* c += a · b for one block; numbers of c behind the last column are changed as well. */
LOOPS_TARGET static void LOOPS(block)(const float *a, size_t a_stride, const float *b,
                                      uint32_t rows, uint32_t columns, uint32_t inner, float *c) {
  for (uint32_t j = 0; j < columns; j += 2 * LOOPS_LANES) {
    const int vectors = columns - j > LOOPS_LANES ? 2 : 1;
    for (uint32_t i = 0; i < rows; i += LOOPS_ROWS) {
      LOOPS(rows)(least_of(LOOPS_ROWS, rows - i), vectors, a + (size_t)i * a_stride, a_stride,
                  b + j, inner, c + (size_t)i * COMPUTE_B_STRIDE + j);
    }
  }
}

/* Rows of `from` become rows of `to`, of which the numbers up to whole vectors are 0. */
LOOPS_TARGET static void LOOPS(copy_rows)(const float *from, size_t stride, uint32_t rows,
                                          uint32_t columns, float *to, size_t to_stride) {
  const uint32_t whole = parts_of(columns, LOOPS_LANES) * LOOPS_LANES;
  for (uint32_t i = 0; i < rows; i++) {
    const float *source = from + (size_t)i * stride;
    float *target = to + (size_t)i * to_stride;
    for (uint32_t j = 0; j < columns; j++) target[j] = source[j];
    for (uint32_t j = columns; j < whole; j++) target[j] = 0;
  }
}

/* The same for any strides, in squares that stay in the cache. */
LOOPS_TARGET static void LOOPS(copy_turned)(const float *from, size_t row, size_t column,
                                            uint32_t rows, uint32_t columns, float *to,
                                            size_t to_stride) {
  const uint32_t whole = parts_of(columns, LOOPS_LANES) * LOOPS_LANES;
  for (uint32_t j = 0; j < columns; j += 16) {
    const uint32_t end = least_of(j + 16, columns);
    for (uint32_t i = 0; i < rows; i++) {
      for (uint32_t l = j; l < end; l++) {
        to[(size_t)i * to_stride + l] = from[(size_t)i * row + (size_t)l * column];
      }
    }
  }
  for (uint32_t i = 0; i < rows; i++) {
    for (uint32_t l = columns; l < whole; l++) to[(size_t)i * to_stride + l] = 0;
  }
}

/* Scratch of a task: blocks of a, b and c. */
typedef struct {
  float *a, *b, *c;
} LOOPS(blocks);

LOOPS_TARGET static LOOPS(blocks) LOOPS(blocks_of)(float *scratch) {
  float *b = scratch + COMPUTE_ROWS * COMPUTE_A_STRIDE;
  return (LOOPS(blocks)){scratch, b, b + COMPUTE_INNER * COMPUTE_B_STRIDE};
}

LOOPS_TARGET static void LOOPS(clear)(float *c, uint32_t rows) {
  for (uint32_t i = 0; i < rows * COMPUTE_B_STRIDE; i++) c[i] = 0;
}

/* A task is a block of c. */
LOOPS_TARGET static void LOOPS(product)(const void *work, uint32_t index, float *scratch) {
  const product_work *w = work;
  const LOOPS(blocks) of = LOOPS(blocks_of)(scratch);
  const uint32_t across = block_columns((uint32_t)w->columns);
  const uint32_t i = index / across * COMPUTE_ROWS, j = index % across * COMPUTE_COLUMNS;
  const uint32_t rows = least_of(COMPUTE_ROWS, (uint32_t)w->rows - i);
  const uint32_t columns = least_of(COMPUTE_COLUMNS, (uint32_t)w->columns - j);
  const size_t a_row = (size_t)w->a_row, a_column = (size_t)w->a_column;
  const size_t b_row = (size_t)w->b_row, b_column = (size_t)w->b_column;
  LOOPS(clear)(of.c, rows);
  for (uint32_t k = 0; k < (uint32_t)w->inner; k += COMPUTE_INNER) {
    const uint32_t inner = least_of(COMPUTE_INNER, (uint32_t)w->inner - k);
    const float *a = w->a + i * a_row + k * a_column, *b = w->b + k * b_row + j * b_column;
    size_t a_stride = a_row;
    if (a_column != 1) {
      LOOPS(copy_turned)(a, a_row, a_column, rows, inner, of.a, COMPUTE_A_STRIDE);
      a = of.a;
      a_stride = COMPUTE_A_STRIDE;
    }
    if (b_column == 1) LOOPS(copy_rows)(b, b_row, inner, columns, of.b, COMPUTE_B_STRIDE);
    else LOOPS(copy_turned)(b, b_row, b_column, inner, columns, of.b, COMPUTE_B_STRIDE);
    LOOPS(block)(a, a_stride, of.b, rows, columns, inner, of.c);
  }
  for (uint32_t r = 0; r < rows; r++) {
    float *to = w->c + (size_t)(i + r) * (size_t)w->c_row + j;
    const float *from = of.c + (size_t)r * COMPUTE_B_STRIDE;
    if (w->adds) {
      for (uint32_t l = 0; l < columns; l++) to[l] += from[l];
    } else {
      for (uint32_t l = 0; l < columns; l++) to[l] = from[l];
    }
  }
}

/* A run of places of the output that stand side by side: `count` from `place` of an image, in one row. */
typedef struct {
  uint32_t image, y, x, count;
} LOOPS(run);

/* The run at place `at` of a chunk of images, at most `most` long. */
LOOPS_TARGET static LOOPS(run) LOOPS(run_at)(const window *of, uint32_t at, uint32_t most) {
  const uint32_t wide = (uint32_t)of->out_width, places = (uint32_t)of->out_height * wide;
  const uint32_t image = at / places, place = at % places;
  const uint32_t x = place % wide;
  return (LOOPS(run)){image, place / wide, x, least_of(most, wide - x)};
}

/* Columns of a run that a tap reaches inside the image: from … to − 1. */
LOOPS_TARGET static void LOOPS(inside)(const window *of, const LOOPS(run) * run, int32_t tap_x,
                                       uint32_t *from, uint32_t *to) {
  const int64_t start =
      (int64_t)run->x * of->stride_x - of->pad_x + (int64_t)tap_x * of->dilation_x;
  const int64_t step = of->stride_x;
  int64_t first = start < 0 ? (-start + step - 1) / step : 0;
  int64_t last = of->width > start ? (of->width - start + step - 1) / step : 0;
  if (last > run->count) last = run->count;
  if (first > last) first = last;
  *from = (uint32_t)first;
  *to = (uint32_t)last;
}

/* Row `r` of the matrix of windows, as channel and tap. */
typedef struct {
  int32_t channel, y, x;
} LOOPS(tap);

LOOPS_TARGET static LOOPS(tap) LOOPS(tap_of)(const window *of, uint32_t r) {
  const uint32_t wide = (uint32_t)of->kernel_width, taps = (uint32_t)of->kernel_height * wide;
  return (LOOPS(tap)){(int32_t)(r / taps), (int32_t)(r % taps / wide), (int32_t)(r % wide)};
}

LOOPS_TARGET static void LOOPS(next_tap)(const window *of, LOOPS(tap) * tap) {
  if (++tap->x < of->kernel_width) return;
  tap->x = 0;
  if (++tap->y < of->kernel_height) return;
  tap->y = 0;
  tap->channel++;
}

/*
 * Rows r … r + rows − 1 and columns j … j + columns − 1 of the matrix of windows: one row for each channel of a
 * group and tap, one column for each place of the output. x: the group's first channel of the chunk's first image.
 */
LOOPS_TARGET static void LOOPS(windows)(const window *of, const float *x, uint32_t r, uint32_t rows,
                                        uint32_t j, uint32_t columns, float *to, size_t to_stride) {
  const size_t plane = (size_t)of->height * (size_t)of->width;
  const size_t image = plane * (size_t)of->channels;
  const uint32_t whole = parts_of(columns, LOOPS_LANES) * LOOPS_LANES;
  for (uint32_t at = 0; at < columns;) {
    const LOOPS(run) run = LOOPS(run_at)(of, j + at, columns - at);
    const float *source = x + run.image * image;
    LOOPS(tap) tap = LOOPS(tap_of)(of, r);
    for (uint32_t i = 0; i < rows; i++, LOOPS(next_tap)(of, &tap)) {
      float *target = to + (size_t)i * to_stride + at;
      const int64_t row =
          (int64_t)run.y * of->stride_y - of->pad_y + (int64_t)tap.y * of->dilation_y;
      uint32_t from = 0, end = 0;
      if (row >= 0 && row < of->height) LOOPS(inside)(of, &run, tap.x, &from, &end);
      for (uint32_t l = 0; l < from; l++) target[l] = 0;
      if (end > from) {
        const int64_t start =
            (int64_t)run.x * of->stride_x - of->pad_x + (int64_t)tap.x * of->dilation_x;
        const float *line = source + (size_t)tap.channel * plane + (size_t)row * (size_t)of->width;
        if (of->stride_x == 1) {
          const float *values = line + (start + from);
          for (uint32_t l = 0; l < end - from; l++) target[from + l] = values[l];
        } else {
          for (uint32_t l = from; l < end; l++) target[l] = line[start + (int64_t)l * of->stride_x];
        }
      }
      for (uint32_t l = end; l < run.count; l++) target[l] = 0;
    }
    at += run.count;
  }
  for (uint32_t i = 0; i < rows; i++) {
    for (uint32_t l = columns; l < whole; l++) to[(size_t)i * to_stride + l] = 0;
  }
}

/* The reverse: adds a block of the matrix of windows to the images. */
LOOPS_TARGET static void LOOPS(add_windows)(const window *of, float *x, uint32_t r, uint32_t rows,
                                            uint32_t j, uint32_t columns, const float *block) {
  const size_t plane = (size_t)of->height * (size_t)of->width;
  const size_t image = plane * (size_t)of->channels;
  LOOPS(tap) tap = LOOPS(tap_of)(of, r);
  for (uint32_t i = 0; i < rows; i++, LOOPS(next_tap)(of, &tap)) {
    for (uint32_t at = 0; at < columns;) {
      const LOOPS(run) run = LOOPS(run_at)(of, j + at, columns - at);
      const float *source = block + (size_t)i * COMPUTE_B_STRIDE + at;
      const int64_t row =
          (int64_t)run.y * of->stride_y - of->pad_y + (int64_t)tap.y * of->dilation_y;
      uint32_t from = 0, end = 0;
      if (row >= 0 && row < of->height) LOOPS(inside)(of, &run, tap.x, &from, &end);
      if (end > from) {
        const int64_t start =
            (int64_t)run.x * of->stride_x - of->pad_x + (int64_t)tap.x * of->dilation_x;
        float *line =
            x + run.image * image + (size_t)tap.channel * plane + (size_t)row * (size_t)of->width;
        if (of->stride_x == 1) {
          float *values = line + (start + from);
          for (uint32_t l = 0; l < end - from; l++) values[l] += source[from + l];
        } else {
          for (uint32_t l = from; l < end; l++) {
            line[start + (int64_t)l * of->stride_x] += source[l];
          }
        }
      }
      at += run.count;
    }
  }
}

/* What a task of a convolution works on: one group of a chunk of images. */
typedef struct {
  uint32_t images, places, channels, out_channels, taps;
  float *x, *y;
  float *w;
  const float *bias;
} LOOPS(part);

LOOPS_TARGET static LOOPS(part)
    LOOPS(part_of)(const conv_work *w, uint32_t group, uint32_t first, uint32_t images) {
  const window *of = &w->of;
  const uint32_t channels = (uint32_t)(of->channels / of->groups);
  const uint32_t out = (uint32_t)(of->out_channels / of->groups);
  const uint32_t places = (uint32_t)of->out_height * (uint32_t)of->out_width;
  const uint32_t taps = channels * (uint32_t)of->kernel_height * (uint32_t)of->kernel_width;
  const size_t plane = (size_t)of->height * (size_t)of->width;
  LOOPS(part) part = {images, places, channels, out, taps, NULL, NULL, NULL, NULL};
  part.x = w->x + ((size_t)first * (size_t)of->channels + (size_t)group * channels) * plane;
  part.y = w->y + ((size_t)first * (size_t)of->out_channels + (size_t)group * out) * places;
  part.w = w->w + (size_t)group * out * taps;
  part.bias = w->bias ? w->bias + (size_t)group * out : NULL;
  return part;
}

LOOPS_TARGET static LOOPS(part) LOOPS(part_at)(const conv_work *w, uint32_t index) {
  const uint32_t groups = (uint32_t)w->of.groups, first = index / groups * w->chunk;
  return LOOPS(part_of)(w, index % groups, first,
                        least_of(w->chunk, (uint32_t)w->of.images - first));
}

/* Places j … of a chunk, all in one image: how many, and where the first stands in y. */
LOOPS_TARGET static uint32_t LOOPS(stretch)(const conv_work *w, const LOOPS(part) * part,
                                            uint32_t j, uint32_t most, size_t *at) {
  const uint32_t image = j / part->places, place = j % part->places;
  *at = (size_t)image * (size_t)w->of.out_channels * part->places + place;
  return least_of(most, part->places - place);
}

LOOPS_TARGET static void LOOPS(conv)(const void *work, uint32_t index, float *scratch) {
  const conv_work *w = work;
  const LOOPS(part) part = LOOPS(part_at)(w, index);
  const LOOPS(blocks) of = LOOPS(blocks_of)(scratch);
  const uint32_t all = part.images * part.places;
  for (uint32_t j = 0; j < all; j += COMPUTE_COLUMNS) {
    const uint32_t columns = least_of(COMPUTE_COLUMNS, all - j);
    for (uint32_t i = 0; i < part.out_channels; i += COMPUTE_ROWS) {
      const uint32_t rows = least_of(COMPUTE_ROWS, part.out_channels - i);
      LOOPS(clear)(of.c, rows);
      for (uint32_t k = 0; k < part.taps; k += COMPUTE_INNER) {
        const uint32_t inner = least_of(COMPUTE_INNER, part.taps - k);
        LOOPS(windows)(&w->of, part.x, k, inner, j, columns, of.b, COMPUTE_B_STRIDE);
        LOOPS(block)(part.w + (size_t)i * part.taps + k, part.taps, of.b, rows, columns, inner,
                     of.c);
      }
      for (uint32_t at = 0; at < columns;) {
        size_t place;
        const uint32_t count = LOOPS(stretch)(w, &part, j + at, columns - at, &place);
        for (uint32_t r = 0; r < rows; r++) {
          const float *from = of.c + (size_t)r * COMPUTE_B_STRIDE + at;
          float *to = part.y + place + (size_t)(i + r) * part.places;
          const float bias = part.bias ? part.bias[i + r] : 0;
          for (uint32_t l = 0; l < count; l++) to[l] = from[l] + bias;
        }
        at += count;
      }
    }
  }
}

/* Gradient of the input, added to what is there. */
LOOPS_TARGET static void LOOPS(conv_input)(const void *work, uint32_t index, float *scratch) {
  const conv_work *w = work;
  const LOOPS(part) part = LOOPS(part_at)(w, index);
  const LOOPS(blocks) of = LOOPS(blocks_of)(scratch);
  const uint32_t all = part.images * part.places;
  for (uint32_t j = 0; j < all; j += COMPUTE_COLUMNS) {
    const uint32_t columns = least_of(COMPUTE_COLUMNS, all - j);
    for (uint32_t i = 0; i < part.taps; i += COMPUTE_ROWS) {
      const uint32_t rows = least_of(COMPUTE_ROWS, part.taps - i);
      LOOPS(clear)(of.c, rows);
      for (uint32_t k = 0; k < part.out_channels; k += COMPUTE_INNER) {
        const uint32_t inner = least_of(COMPUTE_INNER, part.out_channels - k);
        LOOPS(copy_turned)(part.w + (size_t)k * part.taps + i, 1, part.taps, rows, inner, of.a,
                           COMPUTE_A_STRIDE);
        for (uint32_t at = 0; at < columns;) {
          size_t place;
          const uint32_t count = LOOPS(stretch)(w, &part, j + at, columns - at, &place);
          LOOPS(copy_rows)(part.y + place + (size_t)k * part.places, part.places, inner, count,
                           of.b + at, COMPUTE_B_STRIDE);
          at += count;
        }
        LOOPS(block)(of.a, COMPUTE_A_STRIDE, of.b, rows, columns, inner, of.c);
      }
      LOOPS(add_windows)(&w->of, part.x, i, rows, j, columns, of.c);
    }
  }
}

/*
 * Gradient of the weights over one part of the images: a task is a block of rows of the matrix of windows, times
 * all output channels. Its product is that gradient turned.
 */
LOOPS_TARGET static void LOOPS(conv_weight)(const void *work, uint32_t index, float *scratch) {
  const conv_work *w = work;
  const LOOPS(blocks) of = LOOPS(blocks_of)(scratch);
  const uint32_t groups = (uint32_t)w->of.groups, parts = (uint32_t)w->parts;
  const uint32_t group = index % groups, which = index / groups % parts;
  const uint32_t images = (uint32_t)w->of.images, share = parts_of(images, parts);
  const uint32_t first = least_of(which * share, images);
  const LOOPS(part) part = LOOPS(part_of)(w, group, first, least_of(share, images - first));
  const uint32_t r = index / groups / parts * COMPUTE_ROWS;
  const uint32_t rows = least_of(COMPUTE_ROWS, part.taps - r), all = part.images * part.places;
  const size_t size = (size_t)w->of.out_channels * part.taps;
  float *target = (w->sums ? w->sums + which * size : w->w) + (part.w - w->w);
  for (uint32_t c = 0; c < part.out_channels; c += COMPUTE_COLUMNS) {
    const uint32_t columns = least_of(COMPUTE_COLUMNS, part.out_channels - c);
    LOOPS(clear)(of.c, rows);
    for (uint32_t k = 0; k < all; k += COMPUTE_INNER) {
      const uint32_t inner = least_of(COMPUTE_INNER, all - k);
      LOOPS(windows)(&w->of, part.x, r, rows, k, inner, of.a, COMPUTE_A_STRIDE);
      for (uint32_t at = 0; at < inner;) {
        size_t place;
        const uint32_t count = LOOPS(stretch)(w, &part, k + at, inner - at, &place);
        LOOPS(copy_turned)(part.y + place + (size_t)c * part.places, 1, part.places, count, columns,
                           of.b + (size_t)at * COMPUTE_B_STRIDE, COMPUTE_B_STRIDE);
        at += count;
      }
      LOOPS(block)(of.a, COMPUTE_A_STRIDE, of.b, rows, columns, inner, of.c);
    }
    for (uint32_t l = 0; l < columns; l++) {
      float *to = target + (size_t)(c + l) * part.taps + r;
      for (uint32_t i = 0; i < rows; i++) to[i] = of.c[(size_t)i * COMPUTE_B_STRIDE + l];
    }
  }
}

/* Adds the parts up, each number in the order of the parts. */
LOOPS_TARGET static void LOOPS(conv_parts)(const void *work, uint32_t index, float *scratch) {
  const conv_work *w = work;
  const window *of = &w->of;
  const size_t size = (size_t)of->out_channels * (size_t)(of->channels / of->groups) *
                      (size_t)of->kernel_height * (size_t)of->kernel_width;
  const size_t from = (size_t)index * COMPUTE_RUN;
  const size_t to = size - from < COMPUTE_RUN ? size : from + COMPUTE_RUN;
  (void)scratch;
  for (size_t i = from; i < to; i++) w->w[i] = w->sums[i];
  for (int32_t part = 1; part < w->parts; part++) {
    const float *sums = w->sums + (size_t)part * size;
    for (size_t i = from; i < to; i++) w->w[i] += sums[i];
  }
}
