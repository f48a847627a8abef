/* Convolutions in Winograd's form, and the gradients of their filters, for filters of SIDE x SIDE cells; see
   engine/modules/winograd.py.

   A block of tiles goes through all steps while it is in the cache of one core: the tiles of pixels become
   factors V = B' d B, a product of matrices for each of the P x P values of a tile sums over maps, and
   Y = A' M A are Q x Q pixels of the output. A vector holds neighbouring maps, so that all tiles of a size
   are turned by the same few instructions, and numbers stay in registers between the two axes.

   Rows of B' and of A are values of polynomials at 0, at pairs of points c and -c, and at infinity. The sums
   over even and over odd powers are those of both points of a pair, but for a sign; 0 has even powers alone,
   infinity odd ones. */

#include <omp.h>

#include "vectors.h"

#if LANES == 16
#define ROWS 12 /* tiles whose sums are in registers at a time, for two vectors of filters */
#else
#define ROWS 4
#endif

#define Q 4              /* pixels of the output along an axis of a tile */
#define P (Q + SIDE - 1) /* pixels of the input that it takes, and products */

typedef struct {
    Images x, y;
    const float *into, *out_of; /* B' (P, P) and A (P, Q) */
    const float *turned;        /* filters, packed */
    const float *bias;          /* or nothing */
    float *gradients;           /* of turned filters: (threads, P P, maps, filters and what fills the last vector) */
    float *scratch;             /* of every thread */
    int64_t room;               /* floats of scratch that a thread has */
    int64_t images, down, across; /* down, across: tiles of an image */
    int64_t maps, filters;
    int64_t block;              /* tiles that go through all steps together */
    int64_t window;             /* the largest of window x window pixels is written; 1 or WINDOW */
    int64_t threads;
} Convolution;

/* From the numbers of one product to those of the next. Powers of two would share few lines of the cache. */
INLINE int64_t distance(int64_t rows, int64_t width) { return rows * width + LANES; }

/* Values of a polynomial with n coefficients at P points. */
INLINE void evaluate(const int n, const float *m, const Vector *x, const int from, Vector *y, const int to)
{
    const int last = P - 1;
    Vector zero = m[0] * x[0], infinity = m[last * n + 1] * x[from];
    UNROLL for (int i = 2; i < n; i += 2) {
        zero += m[i] * x[i * from];
        infinity += m[last * n + i + 1] * x[(i + 1) * from];
    }
    y[0] = zero;
    y[last * to] = infinity;
    UNROLL for (int p = 1; p < last; p += 2) {
        Vector even = m[p * n] * x[0], odd = m[p * n + 1] * x[from];
        UNROLL for (int i = 2; i < n; i += 2) {
            even += m[p * n + i] * x[i * from];
            odd += m[p * n + i + 1] * x[(i + 1) * from];
        }
        y[p * to] = even + odd;
        y[(p + 1) * to] = even - odd;
    }
}

/* Coefficients, Q of them, from values at P points: the transposed matrix. */
INLINE void collect(const float *m, const Vector *x, const int from, Vector *y, const int to)
{
    const int last = P - 1;
    Vector sum[P], difference[P];
    UNROLL for (int p = 1; p < last; p += 2) {
        sum[p] = x[p * from] + x[(p + 1) * from];
        difference[p] = x[p * from] - x[(p + 1) * from];
    }
    UNROLL for (int i = 0; i < Q; i += 2) {
        Vector even = m[i] * x[0], odd = m[last * Q + i + 1] * x[last * from];
        UNROLL for (int p = 1; p < last; p += 2) {
            even += m[p * Q + i] * sum[p];
            odd += m[p * Q + i + 1] * difference[p];
        }
        y[i * to] = even;
        y[(i + 1) * to] = odd;
    }
}

/* Where a tile of n x n pixels lies; they begin `step` pixels after one another. */
typedef struct {
    float *pixels;
    int64_t top, left;
    int inside; /* whether all of it is in the image */
} Tile;

INLINE Tile find_tile(const Convolution *c, const Images *images, const int n, const int step, int64_t tile)
{
    const int64_t image = tile / (c->down * c->across), place = tile % (c->down * c->across);
    const int64_t top = place / c->across * step - images->top, left = place % c->across * step - images->left;
    return (Tile){images->first + image * images->image + top * images->row + left * images->column, top, left,
                  top >= 0 && top + n <= images->rows && left >= 0 && left + n <= images->columns};
}

INLINE int is_pixel(const Images *images, const Tile *tile, const int inside, const int i, const int j)
{
    return inside || (tile->top + i >= 0 && tile->top + i < images->rows && tile->left + j >= 0 &&
                      tile->left + j < images->columns);
}

INLINE void turn_tile(const int n, const int inside, const Images *images, const Tile *tile,
                      int64_t maps, const float *m, float *factors, int64_t apart)
{
    for (int64_t map = 0; map < maps; map += LANES) {
        Vector x[P * P], half[P * P];
        UNROLL for (int i = 0; i < n; i++)
            UNROLL for (int j = 0; j < n; j++) {
                x[i * n + j] = (Vector){0};
                if (is_pixel(images, tile, inside, i, j))
                    x[i * n + j] = load(tile->pixels + i * images->row + j * images->column + map, maps - map);
            }
        UNROLL for (int i = 0; i < n; i++) evaluate(n, m, x + i * n, 1, half + i * P, 1);
        UNROLL for (int p = 0; p < P; p++) {
            Vector y[P];
            evaluate(n, m, half + p, P, y, 1);
            UNROLL for (int q = 0; q < P; q++) *(Vector *)(factors + (q * P + p) * apart + map) = y[q];
        }
    }
}

/* Factors (P P, tiles, maps and what fills the last vector) of tiles of n x n pixels. */
INLINE void turn(const int n, const Convolution *c, const Images *images, int64_t maps, const float *m,
                 int64_t begin, int64_t tiles, float *factors, int64_t apart)
{
    for (int64_t i = 0; i < tiles; i++, factors += filled_up(maps)) {
        const Tile tile = find_tile(c, images, n, Q, begin + i);
        if (tile.inside)
            turn_tile(n, 1, images, &tile, maps, m, factors, apart);
        else
            turn_tile(n, 0, images, &tile, maps, m, factors, apart);
    }
}

static void turn_pixels(const Convolution *c, int64_t begin, int64_t tiles, float *factors, int64_t apart)
{
    turn(P, c, &c->x, c->maps, c->into, begin, tiles, factors, apart);
}

static void turn_gradients(const Convolution *c, int64_t begin, int64_t tiles, float *factors, int64_t apart)
{
    turn(Q, c, &c->y, c->filters, c->out_of, begin, tiles, factors, apart);
}

/* Writes pixels, or the largest of window x window of them. */
INLINE void write_tile(const int inside, const int window, const Convolution *c, const Tile *tile,
                       const float *products, int64_t apart)
{
    for (int64_t filter = 0; filter < c->filters; filter += LANES) {
        const int64_t left = c->filters - filter;
        Vector x[P * P], half[P * P];
        UNROLL for (int p = 0; p < P * P; p++) x[p] = *(const Vector *)(products + p * apart + filter);
        UNROLL for (int p = 0; p < P; p++) collect(c->out_of, x + p * P, 1, half + p * Q, 1);
        const Vector bias = c->bias ? load(c->bias + filter, left) : (Vector){0};
        UNROLL for (int j = 0; j < Q / window; j++) {
            Vector y[Q];
            collect(c->out_of, half + window * j, Q, y, 1);
            UNROLL for (int k = 1; k < window; k++) {
                Vector next[Q];
                collect(c->out_of, half + window * j + k, Q, next, 1);
                UNROLL for (int i = 0; i < Q; i++) y[i] = larger(y[i], next[i]);
            }
            UNROLL for (int i = 0; i < Q / window; i++) {
                Vector most = y[window * i];
                UNROLL for (int k = 1; k < window; k++) most = larger(most, y[window * i + k]);
                if (is_pixel(&c->y, tile, inside, i, j))
                    store(tile->pixels + i * c->y.row + j * c->y.column + filter, left, most + bias);
            }
        }
    }
}

INLINE void write_tiles(const int window, const Convolution *c, int64_t begin, int64_t tiles,
                        const float *products, int64_t width, int64_t apart)
{
    for (int64_t i = 0; i < tiles; i++, products += width) {
        const Tile tile = find_tile(c, &c->y, Q / window, Q / window, begin + i);
        if (tile.inside)
            write_tile(1, window, c, &tile, products, apart);
        else
            write_tile(0, window, c, &tile, products, apart);
    }
}

/* Sums over terms of a[row, term] b[term, :], for rows and vectors that have registers. */
INLINE void sum_rows(const int rows, const int vectors, const int adds, int64_t terms, const float *a, int64_t row,
                     int64_t term, const float *b, int64_t next, float *sums, int64_t width)
{
    Vector s[2 * ROWS];
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int j = 0; j < vectors; j++)
            s[r * vectors + j] = adds ? *(const Vector *)(sums + r * width + j * LANES) : (Vector){0};
    for (int64_t k = 0; k < terms; k++) {
        Vector w[2];
        UNROLL for (int j = 0; j < vectors; j++) w[j] = *(const Vector *)(b + k * next + j * LANES);
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int j = 0; j < vectors; j++) s[r * vectors + j] += a[r * row + k * term] * w[j];
    }
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int j = 0; j < vectors; j++) *(Vector *)(sums + r * width + j * LANES) = s[r * vectors + j];
}

INLINE void sum_all(const int vectors, const int adds, int64_t rows, int64_t terms, const float *a, int64_t row,
                    int64_t term, const float *b, int64_t next, float *sums, int64_t width)
{
    int64_t r = 0;
    for (; r + ROWS <= rows; r += ROWS)
        sum_rows(ROWS, vectors, adds, terms, a + r * row, row, term, b, next, sums + r * width, width);
    for (; r + 4 <= rows; r += 4)
        sum_rows(4, vectors, adds, terms, a + r * row, row, term, b, next, sums + r * width, width);
    for (; r < rows; r++)
        sum_rows(1, vectors, adds, terms, a + r * row, row, term, b, next, sums + r * width, width);
}

static void convolve_block(const Convolution *c, int64_t begin, int64_t tiles, float *factors)
{
    const int64_t maps = filled_up(c->maps), width = filled_up(c->filters);
    const int64_t apart = distance(c->block, maps), products_apart = distance(c->block, width);
    float *products = factors + P * P * apart;
    turn_pixels(c, begin, tiles, factors, apart);
    for (int64_t p = 0; p < P * P; p++) {
        const float *a = factors + p * apart, *turned = c->turned + p * distance(c->maps, width);
        float *sums = products + p * products_apart;
        for (int64_t filter = 0; filter < width; filter += 2 * LANES, turned += 2 * LANES * c->maps)
            if (filter + LANES < width)
                sum_all(2, 0, tiles, c->maps, a, maps, 1, turned, 2 * LANES, sums + filter, width);
            else
                sum_all(1, 0, tiles, c->maps, a, maps, 1, turned, LANES, sums + filter, width);
    }
    if (c->window == WINDOW)
        write_tiles(WINDOW, c, begin, tiles, products, width, products_apart);
    else
        write_tiles(1, c, begin, tiles, products, width, products_apart);
}

void castorch_convolve(const Convolution *c)
{
    const int64_t tiles = c->images * c->down * c->across;
#pragma omp parallel for schedule(static) num_threads(c->threads)
    for (int64_t begin = 0; begin < tiles; begin += c->block)
        convolve_block(c, begin, tiles - begin < c->block ? tiles - begin : c->block,
                       c->scratch + omp_get_thread_num() * c->room);
}

static void add_products(int adds, int vectors, int64_t maps, int64_t tiles, const float *a, int64_t next,
                         const float *b, int64_t width, float *sums)
{
    if (adds && vectors == 2)
        sum_all(2, 1, maps, tiles, a, 1, next, b, width, sums, width);
    else if (vectors == 2)
        sum_all(2, 0, maps, tiles, a, 1, next, b, width, sums, width);
    else if (adds)
        sum_all(1, 1, maps, tiles, a, 1, next, b, width, sums, width);
    else
        sum_all(1, 0, maps, tiles, a, 1, next, b, width, sums, width);
}

/* V' (A dY A') summed over tiles: every thread for itself, over tiles that it turns, a block at a time. Shares are
   as many as threads were asked for, however many there are. */
void castorch_sum_gradients(const Convolution *c)
{
    const int64_t tiles = c->images * c->down * c->across;
    const int64_t maps = filled_up(c->maps), width = filled_up(c->filters);
    const int64_t apart = distance(c->block, maps), products_apart = distance(c->block, width);
#pragma omp parallel for schedule(static) num_threads(c->threads)
    for (int64_t share = 0; share < c->threads; share++) {
        const int64_t first = tiles * share / c->threads, end = tiles * (share + 1) / c->threads;
        float *factors = c->scratch + share * c->room, *products = factors + P * P * apart;
        for (int64_t begin = first; begin < end; begin += c->block) {
            const int64_t here = end - begin < c->block ? end - begin : c->block;
            turn_pixels(c, begin, here, factors, apart);
            turn_gradients(c, begin, here, products, products_apart);
            for (int64_t p = 0; p < P * P; p++) {
                const float *a = factors + p * apart, *b = products + p * products_apart;
                float *sums = c->gradients + (share * P * P + p) * distance(c->maps, width);
                for (int64_t filter = 0; filter < width; filter += 2 * LANES)
                    add_products(begin > first, filter + LANES < width ? 2 : 1, c->maps, here, a, maps, b + filter,
                                 width, sums + filter);
            }
        }
    }
}

/* Filters of some maps. Distances count floats, and may be negative. */
typedef struct {
    float *first;
    int64_t filter, map, row, column; /* from one to the next */
    int64_t maps, filters;
    const float *turn; /* G (P, SIDE) */
    float *turned;
    int64_t threads;
} Filters;

/* Some filters and maps: as many as a vector has floats. */
typedef struct {
    int64_t filter, map, filters, maps;
} Part;

INLINE Part find_part(const Filters *f, int64_t filter, int64_t map)
{
    return (Part){filter, map, f->filters - filter < LANES ? f->filters - filter : LANES,
                  f->maps - map < LANES ? f->maps - map : LANES};
}

INLINE float *find_cell(const Filters *f, const Part *part, int64_t filter, int cell)
{
    return f->first + (part->filter + filter) * f->filter + part->map * f->map + cell / SIDE * f->row +
           cell % SIDE * f->column;
}

/* Cells of a part, map by map, filters side by side. */
typedef float Cells[SIDE * SIDE][LANES][LANES];

/* Turns filters, U = G g G', and lays them in the order in which they are read: products one after the other,
   two vectors of filters side by side, map by map. */
void castorch_turn(const Filters *f)
{
    const int64_t width = filled_up(f->filters), apart = distance(f->maps, width);
#pragma omp parallel for collapse(2) schedule(static) num_threads(f->threads)
    for (int64_t filter = 0; filter < width; filter += LANES)
        for (int64_t begin = 0; begin < f->maps; begin += LANES) {
            const Part part = find_part(f, filter, begin);
            Cells cells = {{{0}}};
            for (int64_t lane = 0; lane < part.filters; lane++)
                for (int i = 0; i < SIDE * SIDE; i++) {
                    const float *cell = find_cell(f, &part, lane, i);
                    for (int64_t map = 0; map < part.maps; map++) cells[i][map][lane] = cell[map * f->map];
                }
            const int64_t pair = filter / (2 * LANES) * 2 * LANES;
            const int64_t step = pair + 2 * LANES <= width ? 2 * LANES : LANES;
            float *turned = f->turned + pair * f->maps + begin * step + (filter - pair);
            for (int64_t map = 0; map < part.maps; map++, turned += step) {
                Vector half[SIDE * P];
                UNROLL for (int i = 0; i < SIDE; i++)
                    UNROLL for (int p = 0; p < P; p++) {
                        half[i * P + p] = (Vector){0};
                        UNROLL for (int j = 0; j < SIDE; j++)
                            half[i * P + p] += f->turn[p * SIDE + j] * *(const Vector *)cells[i * SIDE + j][map];
                    }
                UNROLL for (int q = 0; q < P; q++)
                    UNROLL for (int p = 0; p < P; p++) {
                        Vector u = {0};
                        UNROLL for (int i = 0; i < SIDE; i++) u += f->turn[q * SIDE + i] * half[i * P + p];
                        *(Vector *)(turned + (q * P + p) * apart) = u;
                    }
            }
        }
}

/* Writes the gradients of filters, G' U G, of those of turned ones, which every thread has a share of:
   (threads, P P, maps, filters and what fills the last vector). */
void castorch_turn_back(const Filters *f)
{
    const int64_t width = filled_up(f->filters), apart = distance(f->maps, width);
#pragma omp parallel for collapse(2) schedule(static) num_threads(f->threads)
    for (int64_t filter = 0; filter < width; filter += LANES)
        for (int64_t begin = 0; begin < f->maps; begin += LANES) {
            const Part part = find_part(f, filter, begin);
            Cells cells;
            const float *turned = f->turned + begin * width + filter;
            for (int64_t map = 0; map < part.maps; map++, turned += width) {
                Vector half[SIDE * P];
                UNROLL for (int p = 0; p < P; p++)
                    UNROLL for (int i = 0; i < SIDE; i++) half[i * P + p] = (Vector){0};
                for (int64_t share = 0; share < f->threads; share++)
                    UNROLL for (int p = 0; p < P; p++)
                        UNROLL for (int q = 0; q < P; q++) {
                            const Vector u = *(const Vector *)(turned + ((share * P + q) * P + p) * apart);
                            UNROLL for (int i = 0; i < SIDE; i++) half[i * P + p] += f->turn[q * SIDE + i] * u;
                        }
                UNROLL for (int i = 0; i < SIDE * SIDE; i++) {
                    Vector g = {0};
                    UNROLL for (int p = 0; p < P; p++) g += f->turn[p * SIDE + i % SIDE] * half[i / SIDE * P + p];
                    *(Vector *)cells[i][map] = g;
                }
            }
            for (int64_t lane = 0; lane < part.filters; lane++)
                for (int i = 0; i < SIDE * SIDE; i++) {
                    float *cell = find_cell(f, &part, lane, i);
                    for (int64_t map = 0; map < part.maps; map++) cell[map * f->map] = cells[i][map][lane];
                }
        }
}

int64_t castorch_handed_bytes(void) { return sizeof(Convolution) + sizeof(Filters); }
