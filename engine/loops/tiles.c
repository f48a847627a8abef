/* Turns tiles of pixels into the factors of Winograd's products, and products into tiles of pixels.

   engine/modules/tiles.py says what is computed. Here a vector of maps goes through a tile at a time, and
   stays in registers between the two axes. Rows of the matrix are values of polynomials at 0, at pairs of
   points c and -c, and at infinity; so the sums over even and over odd powers are those of both points of a
   pair, but for a sign, and 0 has even powers alone, infinity odd ones. */

#include <stdint.h>

#ifdef __AVX512F__
#define LANES 16   /* maps of a vector */
#else
#define LANES 8
#endif
#define GROUP 64   /* maps of an image that one thread turns at a time */
#define TILE 4     /* pixels from a tile to the next */
#define PRODUCTS 6 /* along an axis */

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* Distances count floats. */
typedef struct {
    const float *matrix; /* (6, pixels of a tile along an axis) */
    float *pixels;       /* of the first image: its upper left corner */
    float *products;     /* (6, 6, tiles, maps) */
    const float *bias;   /* of each map, or nothing */
    int64_t image, row, column; /* from one to the next */
    int64_t product;            /* from one to the next */
    int64_t images, down, across, maps; /* down, across: tiles of an image */
    int64_t rows, columns;      /* of an image; beyond them are zeros, which nobody writes */
    int64_t top, left;          /* pixels of the first tile that lie before the image */
} Turn;

/* Values of a polynomial with n coefficients at the six points. */
INLINE void evaluate(const int n, const float *m, const Vector *x, const int from, Vector *y, const int to)
{
    const int last = PRODUCTS - 1;
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

/* The same with the transposed matrix. */
INLINE void collect(const int n, const float *m, const Vector *x, const int from, Vector *y, const int to)
{
    const int last = PRODUCTS - 1;
    Vector sum[PRODUCTS], difference[PRODUCTS];
    UNROLL for (int p = 1; p < last; p += 2) {
        sum[p] = x[p * from] + x[(p + 1) * from];
        difference[p] = x[p * from] - x[(p + 1) * from];
    }
    UNROLL for (int i = 0; i < n; i += 2) {
        Vector even = m[i] * x[0], odd = m[last * n + i + 1] * x[last * from];
        UNROLL for (int p = 1; p < last; p += 2) {
            even += m[p * n + i] * sum[p];
            odd += m[p * n + i + 1] * difference[p];
        }
        y[i * to] = even;
        y[(i + 1) * to] = odd;
    }
}

/* Whether pixel (row, column) is one of an image's; tiles inside are not asked. */
INLINE int lies_in(const Turn *turn, const int inside, int64_t row, int64_t column)
{
    return inside || (row >= 0 && row < turn->rows && column >= 0 && column < turn->columns);
}

INLINE void tile_to_products(const Turn *turn, const int n, const int inside, const float *pixels,
                             float *products, int64_t top, int64_t left, int64_t maps)
{
    for (int64_t map = 0; map < maps; map += LANES) {
        Vector x[n * n], half[n * PRODUCTS];
        UNROLL for (int i = 0; i < n; i++)
            UNROLL for (int j = 0; j < n; j++) {
                x[i * n + j] = (Vector){0};
                if (lies_in(turn, inside, top + i, left + j))
                    x[i * n + j] = *(const Vector *)(pixels + i * turn->row + j * turn->column + map);
            }
        UNROLL for (int i = 0; i < n; i++)
            evaluate(n, turn->matrix, x + i * n, 1, half + i * PRODUCTS, 1);
        UNROLL for (int p = 0; p < PRODUCTS; p++) {
            Vector y[PRODUCTS];
            evaluate(n, turn->matrix, half + p, PRODUCTS, y, 1);
            UNROLL for (int q = 0; q < PRODUCTS; q++)
                *(Vector *)(products + (q * PRODUCTS + p) * turn->product + map) = y[q];
        }
    }
}

INLINE void products_to_tile(const Turn *turn, const int n, const int inside, float *pixels,
                             const float *products, int64_t top, int64_t left, int64_t maps,
                             const float *bias, const int adds)
{
    for (int64_t map = 0; map < maps; map += LANES) {
        Vector x[PRODUCTS * PRODUCTS], half[PRODUCTS * n];
        UNROLL for (int p = 0; p < PRODUCTS * PRODUCTS; p++)
            x[p] = *(const Vector *)(products + p * turn->product + map);
        UNROLL for (int p = 0; p < PRODUCTS; p++)
            collect(n, turn->matrix, x + p * PRODUCTS, 1, half + p * n, 1);
        UNROLL for (int j = 0; j < n; j++) {
            Vector y[n];
            collect(n, turn->matrix, half + j, n, y, 1);
            UNROLL for (int i = 0; i < n; i++)
                if (lies_in(turn, inside, top + i, left + j)) {
                    Vector *pixel = (Vector *)(pixels + i * turn->row + j * turn->column + map);
                    if (bias) y[i] += *(const Vector *)(bias + map);
                    if (adds) y[i] += *pixel;
                    *pixel = y[i];
                }
        }
    }
}

/* An image's tiles are turned by one thread for a group of maps, so that those which overlap can be added. */
INLINE void turn_all(const Turn *turn, const int n, const int to_products, const int adds)
{
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t image = 0; image < turn->images; image++)
        for (int64_t map = 0; map < turn->maps; map += GROUP) {
            const int64_t maps = turn->maps - map < GROUP ? turn->maps - map : GROUP;
            const float *bias = turn->bias ? turn->bias + map : turn->bias;
            for (int64_t t = 0; t < turn->down; t++)
                for (int64_t u = 0; u < turn->across; u++) {
                    const int64_t top = TILE * t - turn->top, left = TILE * u - turn->left;
                    const int64_t tile = (image * turn->down + t) * turn->across + u;
                    const int inside = top >= 0 && top + n <= turn->rows && left >= 0 &&
                                       left + n <= turn->columns;
                    float *pixels = turn->pixels + image * turn->image + top * turn->row +
                                    left * turn->column + map;
                    float *products = turn->products + tile * turn->maps + map;
                    if (to_products && inside)
                        tile_to_products(turn, n, 1, pixels, products, top, left, maps);
                    else if (to_products)
                        tile_to_products(turn, n, 0, pixels, products, top, left, maps);
                    else if (inside)
                        products_to_tile(turn, n, 1, pixels, products, top, left, maps, bias, adds);
                    else
                        products_to_tile(turn, n, 0, pixels, products, top, left, maps, bias, adds);
                }
        }
}

/* V = B' d B of tiles of 6 x 6 pixels. */
void castorch_tiles(const Turn *turn) { turn_all(turn, 6, 1, 0); }

/* Y = A' M A, 4 x 4 pixels, and the bias. */
void castorch_pixels(const Turn *turn) { turn_all(turn, 4, 0, 0); }

/* A Y A', the gradients of M. */
void castorch_tiles_of_pixels(const Turn *turn) { turn_all(turn, 4, 1, 0); }

/* B V B', the gradients of d, added to those there are. */
void castorch_images(const Turn *turn) { turn_all(turn, 6, 0, 1); }
