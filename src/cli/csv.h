// CSV as RFC 4180 has it: fields between commas, in double quotes where they need them, lines that end in CR
// LF.
#ifndef CNN_CLI_CSV_H
#define CNN_CLI_CSV_H
#include <stdbool.h>
#include <stdio.h>

// The next field of a line; `first`: it begins one. Errors are those of the stream.
void cnn_csv_text(FILE *to, const char *text, bool first);
void cnn_csv_number(FILE *to, double value, bool first); // to 9 digits, which give a float back exactly
void cnn_csv_end(FILE *to);                              // of the line

#endif
