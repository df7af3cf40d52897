// CRC-32C (Castagnoli), as in iSCSI and HDF5's peers; hardware-accelerated.
#ifndef CNN_BASE_CHECKSUM_H
#define CNN_BASE_CHECKSUM_H
#include <stddef.h>
#include <stdint.h>

// Of `bytes` at `data`; chain blocks by passing the previous result as `crc`, starting from 0.
uint32_t cnn_crc32c(uint32_t crc, const void *data, size_t bytes);

#endif
