/* page.h - the status page: page.html as it is, with a gap for the figures that it begins with. */
#ifndef SHEARPIN_CLI_PAGE_H
#define SHEARPIN_CLI_PAGE_H

#include <stddef.h>

#define PAGE_GAP "@FIGURES@"

extern const char page_text[];
extern const size_t page_size;

#endif
