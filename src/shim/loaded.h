/*
 * loaded.h - what the loaded objects define, as dlsym() and dladdr() would tell: before glibc 2.34
 * these were libdl's, and a library that needs libc alone cannot count on them. Nothing but
 * sp_loaded_of() takes a lock, so it is safe wherever a call may come from.
 */
#ifndef SHEARPIN_SHIM_LOADED_H
#define SHEARPIN_SHIM_LOADED_H

#include <stddef.h>
#include <stdint.h>

struct sp_sought {
    const char *name;
    uint32_t hash; /* of sp_object_hash() */
    void *found;   /* NULL: not yet, or nobody has it */
};

/* What was loaded with the program stays loaded; what comes later may go, so that without the
 * loader's lock it is not looked at. Called once, from the constructor. */
void sp_loaded_start(void);
/* As dlsym(RTLD_NEXT) of ours, for each; those that are found already are left alone. */
void sp_loaded_next(struct sp_sought *sought, size_t count);
/* As dlsym(RTLD_DEFAULT). */
void *sp_loaded_any(const char *name);
/* The function that the object in which `caller` lies would have found by itself, were it not for
 * us; or else the first behind us. */
void *sp_loaded_of(const void *caller, const char *name);

#endif
