// For small functions that host and device both run: static inline CNN_HOST_DEVICE.
#ifndef CNN_BASE_HOST_DEVICE_H
#define CNN_BASE_HOST_DEVICE_H

#if defined(__CUDACC__)
#define CNN_HOST_DEVICE __host__ __device__
#else
#define CNN_HOST_DEVICE
#endif

#endif
