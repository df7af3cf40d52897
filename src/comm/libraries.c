#include "comm/libraries.h"

#include "comm/nccl.h"

#include <mpi.h>
#include <string.h>

// Each MPI spells its version in its own way.
#if defined OMPI_MAJOR_VERSION
#define NAME "Open MPI"
#define BUILT cnn_version_of(OMPI_MAJOR_VERSION, OMPI_MINOR_VERSION, OMPI_RELEASE_VERSION).text
#elif defined MPICH_VERSION
#define NAME "MPICH"
#define BUILT MPICH_VERSION
#else
#define NAME "MPI"
#define BUILT ""
#endif

// "Open MPI v4.1.4, package: ..." or "MPICH Version:\t4.0.2\n...": where the number begins. May be asked for
// before MPI_Init.
void cnn_comm_libraries(struct cnn_libraries *list) {
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    if (MPI_Get_library_version(text, &length) != MPI_SUCCESS)
        length = 0;
    text[length] = '\0';
    char *number = text + strcspn(text, "0123456789");
    number[strspn(number, "0123456789.")] = '\0';
    cnn_libraries_add(list, NAME, BUILT, number);
    cnn_nccl_libraries(list);
}
