#include "comm/siblings.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENVIRONMENT_BYTES (256 * 1024)

static bool is_stopped(const char *pid) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    const bool is_read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    const char *name_end = is_read ? strrchr(line, ')') : NULL; // the name may hold anything
    return name_end && strncmp(name_end, ") T", 3) == 0;
}

// The value of a variable in an environment: NAME=VALUE strings, each with its NUL.
static const char *value_of(const char *environment, size_t bytes, const char *name) {
    const size_t length = strlen(name);
    for (size_t at = 0; at < bytes; at += strlen(environment + at) + 1)
        if (strncmp(environment + at, name, length) == 0 && environment[at + length] == '=')
            return environment + at + length + 1;
    return NULL;
}

// Hosts that are containers or namespaces of one machine see each other's processes.
static bool is_of_this_host(const char *pid) {
    char path[64], theirs[64], own[64];
    snprintf(path, sizeof path, "/proc/%.20s/ns/uts", pid);
    const ssize_t n = readlink(path, theirs, sizeof theirs);
    return n > 0 && n == readlink("/proc/self/ns/uts", own, sizeof own) &&
           memcmp(theirs, own, (size_t)n) == 0;
}

// -1 where it belongs to another job or may not be looked at.
static int rank_of(const char *pid, const char *namespace, char *environment) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%.20s/environ", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return -1;
    const size_t bytes = fread(environment, 1, ENVIRONMENT_BYTES - 1, file);
    fclose(file);
    environment[bytes] = '\0';
    const char *theirs = value_of(environment, bytes, "PMIX_NAMESPACE");
    const char *rank = value_of(environment, bytes, "PMIX_RANK");
    return theirs && rank && strcmp(theirs, namespace) == 0 ? atoi(rank) : -1;
}

int cnn_siblings_find_stopped(const char *namespace) {
    char *environment = namespace ? malloc(ENVIRONMENT_BYTES) : NULL;
    DIR *processes = environment ? opendir("/proc") : NULL;
    int lowest = -1;
    for (struct dirent *entry; processes && (entry = readdir(processes));) {
        if (!isdigit((unsigned char)entry->d_name[0]) || !is_stopped(entry->d_name) ||
            !is_of_this_host(entry->d_name))
            continue;
        const int rank = rank_of(entry->d_name, namespace, environment);
        if (rank >= 0 && (lowest < 0 || rank < lowest))
            lowest = rank;
    }
    if (processes)
        closedir(processes);
    free(environment);
    return lowest;
}
