#include "shearpin/types.h"

#include <stdarg.h>
#include <stdio.h>

int sp_error_set(struct sp_error *error, int code, const char *format, ...)
{
    va_list arguments;

    if (error == NULL)
        return -1;
    error->code = code;
    va_start(arguments, format);
    if (vsnprintf(error->text, sizeof error->text, format, arguments) < 0)
        error->text[0] = '\0';
    va_end(arguments);
    return -1;
}
