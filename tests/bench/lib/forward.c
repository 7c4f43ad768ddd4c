/*
 * forward.c - the floor under every preloaded library: wraps the names that shearpin wraps and
 * jumps to the real ones, nothing else. Arguments stay where they are, so variadic calls and
 * vfork() work.
 */
#include "shim/symbols.h"

#include <dlfcn.h>

#if defined(__x86_64__)
#define JUMP(name) "jmp *real_" #name "(%rip)\n"
#elif defined(__aarch64__)
#define JUMP(name)                           \
    "adrp x16, real_" #name "\n"             \
    "ldr x16, [x16, :lo12:real_" #name "]\n" \
    "br x16\n"
#endif

#define FORWARD(name)                               \
    __attribute__((used)) static void *real_##name; \
    __asm__(".pushsection .text\n"                  \
            ".globl " #name "\n"                    \
            ".type " #name ", %function\n" #name ":\n" JUMP(name) ".popsection\n");
SP_SYMBOLS(FORWARD)

/* Runs before every other constructor (-z initfirst). A name that is not there, as those of TLS
 * libraries, makes dlsym() allocate, and allocators make system calls. */
__attribute__((constructor)) static void find_all(void)
{
#define FIND(name) real_##name = dlsym(RTLD_NEXT, #name);
    FIND(syscall)
    SP_SYMBOLS(FIND)
}
