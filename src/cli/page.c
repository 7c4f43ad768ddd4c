#include "cli/page.h"

/* The compiler's own way to a file in a program would be #embed, which it does not know yet. */
__asm__(".section .rodata, \"a\"\n"
        ".globl page_text\n"
        ".globl page_size\n"
        "page_text: .incbin \"src/cli/page.html\"\n"
        "page_end: .byte 0\n"
        ".balign 8\n"
        "page_size: .quad page_end - page_text\n"
        ".previous\n");
