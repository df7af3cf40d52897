#include "base/half_loops.h"

#include <math.h>
#include <stdbool.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct type {
    const char *name;
    int exponent_bits, fraction_bits;
    uint16_t (*from_float)(float value);
    float (*to_float)(uint16_t half);
    void (*pack)(uint16_t *out, const float *in, size_t n);
    void (*unpack)(float *out, const uint16_t *in, size_t n);
    void (*round)(float *values, size_t n);
};

static const struct type types[] = {
    {"bf16", 8, 7, cnn_bf16_from_float, cnn_bf16_to_float, cnn_bf16_pack, cnn_bf16_unpack, cnn_bf16_round},
    {"fp16", 5, 10, cnn_fp16_from_float, cnn_fp16_to_float, cnn_fp16_pack, cnn_fp16_unpack, cnn_fp16_round},
};
#define EACH_TYPE(type)                                                                                      \
    const struct type *type = types;                                                                         \
    type < types + sizeof types / sizeof *types;                                                             \
    type++

static int fraction_of(const struct type *type, uint16_t half) {
    return half & ((1 << type->fraction_bits) - 1);
}
static int exponent_of(const struct type *type, uint16_t half) {
    return half >> type->fraction_bits & ((1 << type->exponent_bits) - 1);
}
static bool is_nan(const struct type *type, uint16_t half) {
    return exponent_of(type, half) == (1 << type->exponent_bits) - 1 && fraction_of(type, half);
}

// By the definition of the format, in doubles.
static double meaning(const struct type *type, uint16_t half) {
    const int bias = (1 << (type->exponent_bits - 1)) - 1, exponent = exponent_of(type, half);
    const double fraction = ldexp(fraction_of(type, half), -type->fraction_bits);
    double size = exponent ? ldexp(1 + fraction, exponent - bias) : ldexp(fraction, 1 - bias);
    if (exponent == (1 << type->exponent_bits) - 1)
        size = fraction == 0 ? INFINITY : NAN;
    return half & 0x8000 ? -size : size;
}

static void every_value_means_what_it_should(void **state) {
    for (EACH_TYPE(type))
        for (uint32_t half = 0; half < 65536; half++) {
            const float is = type->to_float((uint16_t)half);
            const double ought = meaning(type, (uint16_t)half);
            if (isnan(ought) ? !isnan(is) : (double)is != ought || !signbit(is) != !(half & 0x8000))
                fail_msg("%s 0x%04x: %a instead of %a", type->name, half, (double)is, ought);
        }
}

static void every_value_comes_back(void **state) {
    for (EACH_TYPE(type))
        for (uint32_t half = 0; half < 65536; half++) {
            const uint16_t back = type->from_float(type->to_float((uint16_t)half));
            const uint16_t quiet = is_nan(type, (uint16_t)half) ? 1 << (type->fraction_bits - 1) : 0;
            if (back != (half | quiet))
                fail_msg("%s 0x%04x comes back as 0x%04x", type->name, half, back);
        }
}

// Between each value and the next: just below the middle, the middle, just above it.
static void ties_go_to_even(void **state) {
    for (EACH_TYPE(type))
        for (uint16_t half = 0; !is_nan(type, half + 1); half++) {
            const int last = (1 << type->exponent_bits) - 1;
            const float low = type->to_float(half);
            // past the largest value the next one would be as far away as the one before
            const float high = exponent_of(type, half + 1) == last ? 2 * low - type->to_float(half - 1)
                                                                   : type->to_float(half + 1);
            const float middle =
                isinf(high) ? cnn_float_of_bits(cnn_bits_of_float(low) + 0x8000) : low + (high - low) / 2;
            const uint16_t even = half & 1 ? half + 1 : half;
            assert_int_equal(type->from_float(middle), even);
            assert_int_equal(type->from_float(-middle), even | 0x8000);
            assert_int_equal(type->from_float(nextafterf(middle, 0)), half);
            assert_int_equal(type->from_float(nextafterf(middle, INFINITY)), half + 1);
        }
}

static void what_is_too_large_is_infinite(void **state) {
    static const float large[] = {65520, 65536, 1e6f, 3.4e38f, INFINITY};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        assert_int_equal(cnn_fp16_from_float(large[i]), 0x7c00);
        assert_int_equal(cnn_fp16_from_float(-large[i]), 0xfc00);
    }
    assert_int_equal(cnn_fp16_from_float(65519), 0x7bff);
    assert_int_equal(cnn_bf16_from_float(cnn_float_of_bits(0x7f7f7fff)), 0x7f7f);
    assert_int_equal(cnn_bf16_from_float(cnn_float_of_bits(0x7f7f8000)), 0x7f80);
    assert_int_equal(cnn_bf16_from_float(-INFINITY), 0xff80);
}

// Also those whose only set bits are below what 16 bits hold: as infinities they would be taken for large
// values.
static void a_nan_stays(void **state) {
    static const uint32_t nans[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff};
    for (EACH_TYPE(type))
        for (size_t i = 0; i < sizeof nans / sizeof *nans; i++) {
            const uint16_t half = type->from_float(cnn_float_of_bits(nans[i]));
            assert_true(is_nan(type, half));
            assert_int_equal(half >> 15, nans[i] >> 31);
        }
}

static void what_is_too_small_is_zero(void **state) {
    static const float small[] = {0, 1e-45f, 1.17e-38f};
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        assert_int_equal(cnn_fp16_from_float(small[i]), 0);
        assert_int_equal(cnn_fp16_from_float(-small[i]), 0x8000);
    }
    assert_int_equal(cnn_fp16_from_float(ldexpf(1, -25)), 0);
    assert_int_equal(cnn_fp16_from_float(ldexpf(1.5f, -25)), 1);
}

static void arrays_are_as_single_values(void **state) {
    enum { N = 4099 };
    static float values[N + 1], unpacked[N + 1];
    static uint16_t packed[N + 1];
    for (EACH_TYPE(type)) {
        for (uint32_t i = 0; i < N; i++) {
            const uint32_t bits = i * 2654435761u;
            values[i] = cnn_float_of_bits(bits ^ bits >> 15);
        }
        packed[N] = 77;
        values[N] = unpacked[N] = 77;
        type->pack(packed, values, N);
        type->unpack(unpacked, packed, N);
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(packed[i], type->from_float(values[i]));
            assert_int_equal(cnn_bits_of_float(unpacked[i]), cnn_bits_of_float(type->to_float(packed[i])));
        }
        type->round(values, N);
        assert_memory_equal(values, unpacked, sizeof values);
        assert_int_equal(packed[N], 77);
    }
}

// Whatever the processor has instructions for.
static void loops_of_the_processor(void **state) {
    static uint16_t all[65536], back[65536];
    static float right[65536], is[65536];
    for (uint32_t half = 0; half < 65536; half++)
        all[half] = (uint16_t)half;
    cnn_fp16_loops_portable.unpack(right, all, 65536);
    cnn_fp16_loops()->unpack(is, all, 65536);
    assert_memory_equal(is, right, sizeof is);
    for (uint32_t low = 0; low < 65536; low += 4093) {
        for (uint32_t high = 0; high < 65536; high++)
            right[high] = cnn_float_of_bits(high << 16 | low);
        cnn_fp16_loops_portable.pack(back, right, 65536);
        cnn_fp16_loops()->pack(all, right, 65536);
        assert_memory_equal(all, back, sizeof all);
        memcpy(is, right, sizeof is);
        cnn_fp16_loops_portable.round(right, 65536);
        cnn_fp16_loops()->round(is, 65536);
        assert_memory_equal(is, right, sizeof is);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_means_what_it_should),
        cmocka_unit_test(every_value_comes_back),
        cmocka_unit_test(ties_go_to_even),
        cmocka_unit_test(what_is_too_large_is_infinite),
        cmocka_unit_test(a_nan_stays),
        cmocka_unit_test(what_is_too_small_is_zero),
        cmocka_unit_test(arrays_are_as_single_values),
        cmocka_unit_test(loops_of_the_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
