#include "cli/libraries.h"

#include "backend/libraries.h"
#include "comm/libraries.h"
#include "config/libraries.h"
#include "data/libraries.h"
#include "image/libraries.h"

void cnn_libraries_gather(struct cnn_libraries *out) {
    *out = (struct cnn_libraries){0};
    cnn_backend_libraries(out);
    cnn_comm_libraries(out);
    cnn_data_libraries(out);
    cnn_image_libraries(out);
    cnn_config_libraries(out);
    cnn_base_libraries(out);
}
