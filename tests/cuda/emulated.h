// The CUDA backend's own kernels on the host (emulator/): a backend that is created as CNN_BACKEND_CUDA, in
// fp32, bf16 or fp16. Products are plain loops (emulated_products.c) in place of cuDNN's and cuBLASLt's.
// Every piece of memory ends at a page that may not be touched.
#ifndef TESTS_CUDA_EMULATED_H
#define TESTS_CUDA_EMULATED_H

// Processors it has: few, so that small tensors already make blocks go round in loops.
enum { EMULATED_PROCESSORS = 3 };

#ifdef __cplusplus
extern "C" {
#endif

unsigned emulated_launches(void); // kernels launched so far
// How much of what follows a product its engine does itself from now on: 0 all of it, 1 a bias, 2 nothing.
void emulated_set_fusion(int level);

#ifdef __cplusplus
}
#endif
#endif
