/* Convolutions of images of few maps whose outputs are needed for the largest of 2 x 2 neighbours alone; see
   engine/modules/pooled_convolution.py.

   Sums of the four neighbours stay in registers, and what is written is their maximum. A vector holds neighbouring
   filters: so many sums have room that a pixel of the image is read for three vectors of filters at a time. */

#define LANES 8 /* few filters fill wider vectors; a Zen 4 does as much with these */

#include <omp.h>
#include <string.h>

#include "vectors.h"

#define VECTORS 3 /* of filters at a time */

typedef struct {
    Images x, y;
    const float *filters; /* packed: (vectors, down, across, maps, LANES) */
    const float *bias;    /* or nothing */
    float *scratch;       /* of every thread */
    int64_t room;         /* floats of scratch that a thread has */
    int64_t images, maps, count, down, across; /* count, down, across: of filters, and their cells */
    int64_t threads;
} Pooled;

/* Writes the maxima of a window for some vectors of filters. */
INLINE void write_window(const int vectors, const Pooled *p, const float *pixels, int64_t width, int64_t vector,
                         float *y)
{
    const int64_t across = p->across * p->maps, cells = p->down * across;
    const float *filters = p->filters + vector * cells * LANES;
    Vector sums[WINDOW * WINDOW][VECTORS];
    UNROLL for (int i = 0; i < WINDOW * WINDOW; i++)
        UNROLL for (int v = 0; v < vectors; v++) sums[i][v] = (Vector){0};
    for (int64_t row = 0; row < p->down; row++, pixels += width)
        for (int64_t k = 0; k < across; k++, filters += LANES) {
            Vector w[VECTORS];
            UNROLL for (int v = 0; v < vectors; v++) w[v] = *(const Vector *)(filters + v * cells * LANES);
            UNROLL for (int i = 0; i < WINDOW * WINDOW; i++)
                UNROLL for (int v = 0; v < vectors; v++)
                    sums[i][v] += pixels[i / WINDOW * width + i % WINDOW * p->maps + k] * w[v];
        }
    UNROLL for (int v = 0; v < vectors; v++) {
        const int64_t filter = (vector + v) * LANES, left = p->count - filter;
        const Vector bias = p->bias ? load(p->bias + filter, left) : (Vector){0};
        Vector most = sums[0][v];
        UNROLL for (int i = 1; i < WINDOW * WINDOW; i++) most = larger(most, sums[i][v]);
        store(y + filter, left, most + bias);
    }
}

INLINE void write_row(const int vectors, const Pooled *p, const float *pixels, int64_t width, int64_t vector, float *y)
{
    for (int64_t q = 0; q < p->y.columns; q++)
        write_window(vectors, p, pixels + q * WINDOW * p->maps, width, vector, y + q * p->y.column);
}

/* Copies the rows of an image that a row of windows looks at, with zeros around it. */
static void gather(const Pooled *p, int64_t image, int64_t row, int64_t width, float *pixels)
{
    const int64_t before = p->x.left * p->maps, inside = p->x.columns * p->maps;
    const int64_t numbers = inside < width - before ? inside : width - before;
    for (int64_t i = row * WINDOW - p->x.top; i < row * WINDOW - p->x.top + p->down + 1; i++, pixels += width) {
        memset(pixels, 0, width * sizeof *pixels);
        if (i >= 0 && i < p->x.rows)
            memcpy(pixels + before, p->x.first + image * p->x.image + i * p->x.row, numbers * sizeof *pixels);
    }
}

void castorch_convolve_pooled(const Pooled *p)
{
    const int64_t width = (p->y.columns * WINDOW + p->across - 1) * p->maps;
    const int64_t vectors = filled_up(p->count) / LANES;
#pragma omp parallel for schedule(static) num_threads(p->threads)
    for (int64_t i = 0; i < p->images * p->y.rows; i++) {
        const int64_t image = i / p->y.rows, row = i % p->y.rows;
        float *pixels = p->scratch + omp_get_thread_num() * p->room;
        float *y = p->y.first + image * p->y.image + row * p->y.row;
        gather(p, image, row, width, pixels);
        for (int64_t vector = 0; vector < vectors;) {
            const int64_t left = vectors - vector;
            if (left == 3 || left > 4) {
                write_row(3, p, pixels, width, vector, y);
                vector += 3;
            } else if (left > 1) { /* two and two are quicker than three and one */
                write_row(2, p, pixels, width, vector, y);
                vector += 2;
            } else {
                write_row(1, p, pixels, width, vector, y);
                vector += 1;
            }
        }
    }
}

int64_t castorch_handed_bytes(void) { return sizeof(Pooled); }
