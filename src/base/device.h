// Functions that the host's compiler and a device's compile alike.
#ifndef CNN_BASE_DEVICE_H
#define CNN_BASE_DEVICE_H

#if defined(__CUDACC__)
#define CNN_HOST_DEVICE __host__ __device__
#else
#define CNN_HOST_DEVICE
#endif

#endif
