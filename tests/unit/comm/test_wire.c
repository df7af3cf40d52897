#include "comm/wire.h"

#include "base/half.h"
#include "base/random.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { N = 200 };
static const struct cnn_span exact[] = {{0, 1}, {1, 2}, {7, 40}, {60, 1}, {100, 3}, {190, 10}};
static const struct cnn_wire wires[] = {
    {.precision = CNN_PRECISION_BF16, .exact = exact, .n_exact = 6},
    {.precision = CNN_PRECISION_FP16, .exact = exact, .n_exact = 6},
    {.precision = CNN_PRECISION_FP16},
    {.precision = CNN_PRECISION_FP32, .exact = exact, .n_exact = 6},
    {.precision = CNN_PRECISION_AUTO},
};
#define EACH_WIRE(wire)                                                                                      \
    const struct cnn_wire *wire = wires;                                                                     \
    wire < wires + sizeof wires / sizeof *wires;                                                             \
    wire++

static bool stays(const struct cnn_wire *wire, size_t i) {
    for (size_t e = 0; e < wire->n_exact; e++)
        if (i >= wire->exact[e].first && i < wire->exact[e].first + wire->exact[e].n)
            return true;
    return !cnn_wire_rounds(wire);
}

static float travelled(const struct cnn_wire *wire, float value, size_t i) {
    if (stays(wire, i))
        return value;
    return wire->precision == CNN_PRECISION_BF16 ? cnn_bf16_to_float(cnn_bf16_from_float(value))
                                                 : cnn_fp16_to_float(cnn_fp16_from_float(value));
}

static void fill(float arena[N]) {
    struct cnn_draws draws = cnn_draws_of(1, CNN_PURPOSE_TEST, 0, 0);
    for (size_t i = 0; i < N; i++)
        arena[i] = (float)cnn_draw_between(&draws, -3, 3);
}

static void which_round(void **state) {
    assert_true(cnn_wire_rounds(&wires[0]) && cnn_wire_rounds(&wires[1]));
    assert_false(cnn_wire_rounds(&wires[3]) || cnn_wire_rounds(&wires[4]));
}

// Every span of the arena, wherever it is cut.
static void there_and_back(void **state) {
    static float arena[N], floats[N + 1];
    static uint16_t letter[2 * N + 1];
    fill(arena);
    for (EACH_WIRE(wire))
        for (size_t first = 0; first <= N; first++)
            for (size_t n = 0; first + n <= N; n++) {
                const struct cnn_span span = {first, n};
                size_t bytes = 0;
                for (size_t i = first; i < first + n; i++)
                    bytes += stays(wire, i) ? 4 : 2;
                assert_int_equal(cnn_wire_bytes(wire, span), bytes);
                letter[bytes / 2] = 12345;
                floats[n] = 77;
                cnn_wire_pack(wire, letter, arena, span);
                cnn_wire_unpack(wire, floats, letter, span);
                assert_int_equal(letter[bytes / 2], 12345);
                for (size_t i = 0; i < n; i++)
                    if (floats[i] != travelled(wire, arena[first + i], first + i))
                        fail_msg("span %zu + %zu: element %zu is %a", first, n, i, (double)floats[i]);
                assert_true(floats[n] == 77);
            }
}

static void rounding_in_place(void **state) {
    static float before[N], arena[N];
    fill(before);
    for (EACH_WIRE(wire))
        for (size_t first = 0; first < N; first += 3) {
            const struct cnn_span span = {first, (N - first) / 2};
            memcpy(arena, before, sizeof arena);
            cnn_wire_round(wire, arena, span);
            for (size_t i = 0; i < N; i++)
                assert_true(arena[i] ==
                            (i >= first && i < first + span.n ? travelled(wire, before[i], i) : before[i]));
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_round),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(rounding_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
