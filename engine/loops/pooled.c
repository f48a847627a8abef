/* Convolutions of images of few maps whose outputs are needed for the largest of 2 x 2 neighbours alone, and the
   gradients of their filters; see engine/modules/pooled_convolution.py.

   Sums of the four neighbours stay in registers, and what is written is their maximum. A vector holds neighbouring
   filters: so many sums have room that a pixel of the image is read for three vectors of filters at a time.

   The gradient of a maximum is that of the neighbour it was found at. It is laid out for all four, with zeros, and
   each adds its product with the pixels that the filter saw there. */

#define LANES 8 /* few filters fill wider vectors; a Zen 4 does as much with these */

#include <omp.h>
#include <string.h>

#include "vectors.h"

#define VECTORS 3 /* of filters at a time */
#define CELLS 5   /* of filters whose gradients are summed at a time, for two vectors of filters */

typedef struct {
    Images x, y;
    const float *filters; /* packed: (vectors, down, across, maps, LANES) */
    const float *bias;    /* or nothing */
    float *places;        /* or nothing: bits of int32, laid as y: which neighbour is the maximum, row by row */
    float *gradients;     /* of filters: (threads, vectors, down, across, maps, LANES) */
    float *scratch;       /* of every thread */
    int64_t room;         /* floats of scratch that a thread has */
    int64_t images, maps, count, down, across; /* count, down, across: of filters, and their cells */
    int64_t threads;
} Pooled;

/* Writes the maxima of a window for some vectors of filters. */
INLINE void write_window(const int vectors, const int places, const Pooled *p, const float *pixels, int64_t width,
                         int64_t vector, float *y)
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
        Integers place = {0};
        UNROLL for (int i = 1; i < WINDOW * WINDOW; i++) {
            if (places) place = choose(is_larger(sums[i][v], most), (Integers){0} + i, place);
            most = larger(most, sums[i][v]);
        }
        store(y + filter, left, most + bias);
        if (places) store(p->places + (y - p->y.first) + filter, left, (Vector)place);
    }
}

INLINE void write_row(const int vectors, const Pooled *p, const float *pixels, int64_t width, int64_t vector, float *y)
{
    for (int64_t q = 0; q < p->y.columns; q++, pixels += WINDOW * p->maps, y += p->y.column)
        if (p->places)
            write_window(vectors, 1, p, pixels, width, vector, y);
        else
            write_window(vectors, 0, p, pixels, width, vector, y);
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

/* Lays out the gradients of a row of maxima: (columns, neighbours, vectors, LANES). */
static void lay_out(const Pooled *p, const float *y, int64_t vectors, float *laid)
{
    const float *places = p->places + (y - p->y.first);
    for (int64_t q = 0; q < p->y.columns; q++, y += p->y.column, places += p->y.column)
        for (int i = 0; i < WINDOW * WINDOW; i++)
            for (int64_t v = 0; v < vectors; v++, laid += LANES) {
                const int64_t filter = v * LANES, left = p->count - filter;
                const Integers is_here = (Integers)load(places + filter, left) == i;
                *(Vector *)laid = (Vector)(is_here & (Integers)load(y + filter, left));
            }
}

/* Adds what a row of windows gives for some neighbouring cells of a row of filters, and some vectors of them. */
INLINE void add_cells(const int cells, const int vectors, const Pooled *p, const float *pixels, int64_t width,
                      const float *laid, int64_t next, float *sums, int64_t apart)
{
    Vector s[CELLS][2];
    UNROLL for (int k = 0; k < cells; k++)
        UNROLL for (int v = 0; v < vectors; v++) s[k][v] = *(const Vector *)(sums + v * apart + k * LANES);
    for (int64_t q = 0; q < p->y.columns; q++, pixels += WINDOW * p->maps)
        UNROLL for (int i = 0; i < WINDOW * WINDOW; i++, laid += next) {
            const float *x = pixels + i / WINDOW * width + i % WINDOW * p->maps;
            Vector g[2];
            UNROLL for (int v = 0; v < vectors; v++) g[v] = *(const Vector *)(laid + v * LANES);
            UNROLL for (int k = 0; k < cells; k++)
                UNROLL for (int v = 0; v < vectors; v++) s[k][v] += x[k] * g[v];
        }
    UNROLL for (int k = 0; k < cells; k++)
        UNROLL for (int v = 0; v < vectors; v++) *(Vector *)(sums + v * apart + k * LANES) = s[k][v];
}

INLINE void add_row(const int vectors, const Pooled *p, const float *pixels, int64_t width, const float *laid,
                    int64_t next, float *sums, int64_t apart)
{
    const int64_t across = p->across * p->maps;
    for (int64_t row = 0; row < p->down; row++, pixels += width)
        for (int64_t k = 0, cells; k < across; k += cells, sums += cells * LANES) {
            cells = across - k < CELLS ? across - k : CELLS;
            switch (cells) {
            case CELLS: add_cells(CELLS, vectors, p, pixels + k, width, laid, next, sums, apart); break;
            case 4: add_cells(4, vectors, p, pixels + k, width, laid, next, sums, apart); break;
            case 3: add_cells(3, vectors, p, pixels + k, width, laid, next, sums, apart); break;
            case 2: add_cells(2, vectors, p, pixels + k, width, laid, next, sums, apart); break;
            default: add_cells(1, vectors, p, pixels + k, width, laid, next, sums, apart);
            }
        }
}

/* Sums the gradients of filters over images, every share for itself. Shares are as many as threads were asked for,
   however many there are. */
void castorch_sum_pooled_gradients(const Pooled *p)
{
    const int64_t width = (p->y.columns * WINDOW + p->across - 1) * p->maps;
    const int64_t vectors = filled_up(p->count) / LANES, cells = p->down * p->across * p->maps;
    const int64_t rows = p->images * p->y.rows;
#pragma omp parallel for schedule(static) num_threads(p->threads)
    for (int64_t share = 0; share < p->threads; share++) {
        float *pixels = p->scratch + share * p->room, *laid = pixels + (p->down + 1) * width;
        float *sums = p->gradients + share * vectors * cells * LANES;
        memset(sums, 0, vectors * cells * LANES * sizeof *sums);
        for (int64_t i = rows * share / p->threads; i < rows * (share + 1) / p->threads; i++) {
            const int64_t image = i / p->y.rows, row = i % p->y.rows;
            gather(p, image, row, width, pixels);
            lay_out(p, p->y.first + image * p->y.image + row * p->y.row, vectors, laid);
            int64_t v = 0;
            for (; v + 2 <= vectors; v += 2)
                add_row(2, p, pixels, width, laid + v * LANES, vectors * LANES, sums + v * cells * LANES, cells * LANES);
            if (v < vectors)
                add_row(1, p, pixels, width, laid + v * LANES, vectors * LANES, sums + v * cells * LANES, cells * LANES);
        }
    }
}

int64_t castorch_handed_bytes(void) { return sizeof(Pooled); }
