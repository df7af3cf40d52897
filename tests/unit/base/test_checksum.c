#include "base/checksum.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

// RFC 3720, appendix B.4, and the catalogue's check value.
static void known_answers(void **state) {
    unsigned char block[32] = {0};
    assert_int_equal(cnn_crc32c(0, "123456789", 9), 0xE3069283);
    assert_int_equal(cnn_crc32c(0, block, 32), 0x8A9136AA);
    memset(block, 0xff, 32);
    assert_int_equal(cnn_crc32c(0, block, 32), 0x62A8AB43);
    for (int i = 0; i < 32; i++)
        block[i] = (unsigned char)i;
    assert_int_equal(cnn_crc32c(0, block, 32), 0x46DD794E);
    assert_int_equal(cnn_crc32c(0, NULL, 0), 0);
}

// One bit at a time, straight from the polynomial.
static uint32_t plain(uint32_t crc, const unsigned char *data, size_t bytes) {
    crc = ~crc;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    return ~crc;
}

static void every_length_start_and_cut(void **state) {
    unsigned char data[700];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 37 + i / 11);
    for (size_t start = 0; start < 9; start++)
        for (size_t n = 0; n < sizeof data - 16; n += n < 70 ? 1 : 61)
            assert_int_equal(cnn_crc32c(0, data + start, n), plain(0, data + start, n));
    uint32_t whole = cnn_crc32c(0, data, sizeof data);
    for (size_t cut = 0; cut <= sizeof data; cut += 13)
        assert_int_equal(cnn_crc32c(cnn_crc32c(0, data, cut), data + cut, sizeof data - cut), whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(every_length_start_and_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
