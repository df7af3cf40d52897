#include "base/checksum.h"

#include <isa-l/crc.h>

// isa-l takes and gives the bare shift register and an int length; CRC-32C is the register with all bits
// set before and inverted after.
#define BLOCK_BYTES ((size_t)1 << 30)

uint32_t cnn_crc32c(uint32_t crc, const void *data, size_t bytes) {
    const unsigned char *at = data;
    crc = ~crc;
    while (bytes > 0) {
        size_t block = bytes < BLOCK_BYTES ? bytes : BLOCK_BYTES;
        crc = crc32_iscsi((unsigned char *)at, (int)block, crc); // it does not write, whatever it says
        at += block;
        bytes -= block;
    }
    return ~crc;
}
