// The two ways a convolution is computed; conv.c chooses.
#ifndef CNN_BACKEND_CPU_CONV_H
#define CNN_BACKEND_CPU_CONV_H
#include "backend/cpu/cpu.h"

extern const struct cnn_kernel_ops cnn_cpu_conv_direct, cnn_cpu_conv_winograd;

// Whether this processor can compute the convolution by Winograd's filtering, and gains by it.
bool cnn_conv_winograd_fits(const struct cnn_kernel_desc *desc);

#endif
