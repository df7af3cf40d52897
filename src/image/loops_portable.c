#define LOOPS cnn_pixel_loops_portable
#define LOOPS_NAME "portable"
#include "image/loops_body.h"
