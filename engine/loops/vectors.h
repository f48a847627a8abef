/* Vectors of floats, and images whose maps lie side by side. */

#include <immintrin.h>
#include <stdint.h>

#ifndef LANES /* floats of a vector */
#ifdef __AVX512F__
#define LANES 16
#else
#define LANES 8
#endif
#endif

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 64")

#define WINDOW 2 /* neighbours down and across of which the largest is taken, where that is asked for */

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t Integers __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* Images whose maps lie side by side. Distances count floats. */
typedef struct {
    float *first;
    int64_t image, row, column; /* from one to the next */
    int64_t rows, columns;      /* of an image: beyond them are zeros, and nothing is written */
    int64_t top, left;          /* pixels before the image with which the first tile or window begins */
} Images;

#if LANES == 16
/* The first numbers of a vector, zeros behind them. */
INLINE Vector load(const float *from, int64_t numbers)
{
    const __mmask16 mask = numbers < LANES ? (__mmask16)((1u << numbers) - 1) : (__mmask16)0xffff;
    return (Vector)_mm512_maskz_loadu_ps(mask, from);
}

INLINE void store(float *to, int64_t numbers, Vector values)
{
    const __mmask16 mask = numbers < LANES ? (__mmask16)((1u << numbers) - 1) : (__mmask16)0xffff;
    _mm512_mask_storeu_ps(to, mask, (__m512)values);
}
#else
INLINE __m256i first(int64_t numbers)
{
    static const int32_t edge[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(edge + LANES - (numbers < LANES ? numbers : LANES)));
}

INLINE Vector load(const float *from, int64_t numbers)
{
    return (Vector)_mm256_maskload_ps(from, first(numbers));
}

INLINE void store(float *to, int64_t numbers, Vector values)
{
    _mm256_maskstore_ps(to, first(numbers), (__m256)values);
}
#endif

/* Which numbers of a are larger than those of b, or no numbers. */
INLINE Integers is_larger(Vector a, Vector b) { return (a > b) | (a != a); }

INLINE Integers choose(Integers which, Integers a, Integers b) { return (which & a) | (~which & b); }

/* The larger numbers, those of a where both are equal; where one is no number, that is it. */
INLINE Vector larger(Vector a, Vector b) { return (Vector)choose(is_larger(b, a), (Integers)b, (Integers)a); }

INLINE int64_t filled_up(int64_t numbers) { return (numbers + LANES - 1) / LANES * LANES; }

int64_t castorch_lanes(void) { return LANES; }

/* Bytes of what the loops are handed. */
int64_t castorch_handed_bytes(void);
