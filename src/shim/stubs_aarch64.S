/* See stubs_x86_64.S. */

    .section .note.GNU-stack, "", %progbits
    .hidden sp_thread
    .hidden sp_stub_error
    .hidden sp_stub_close
    .hidden sp_stub_vfork
    .hidden sp_stub_stay
    .hidden sp_stay_used
    .hidden sp_stub_syscall
    .text

    .globl  vfork
    .type   vfork, %function
vfork:
    .cfi_startproc
    hint    #34                     /* bti c */
    stp     x29, x30, [sp, #-16]!
    .cfi_adjust_cfa_offset 16
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    bl      sp_stub_vfork
    ldp     x29, x30, [sp], #16
    .cfi_adjust_cfa_offset -16
    .cfi_restore x29
    .cfi_restore x30
    mrs     x1, tpidr_el0
    adrp    x2, :gottprel:sp_thread
    ldr     x2, [x2, #:gottprel_lo12:sp_thread]
    mov     w3, #1
    str     w3, [x1, x2]
    mov     x0, #0x4111             /* CLONE_VM | CLONE_VFORK | SIGCHLD */
    mov     x1, xzr
    mov     x8, #220                /* SYS_clone */
    svc     #0
    cmn     x0, #4095
    b.cs    .Lerror
    ret
.Lerror:
    stp     x29, x30, [sp, #-16]!
    .cfi_adjust_cfa_offset 16
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    neg     w0, w0
    bl      sp_stub_error
    mov     x0, #-1
    ldp     x29, x30, [sp], #16
    .cfi_adjust_cfa_offset -16
    .cfi_restore x29
    .cfi_restore x30
    ret
    .cfi_endproc
    .size   vfork, . - vfork

    .globl  syscall
    .type   syscall, %function
syscall:
    .cfi_startproc
    hint    #34                     /* bti c */
    cmp     x0, #57                 /* SYS_close */
    b.ne    2f
    b       sp_stub_close
2:
    adrp    x9, sp_stay_used
    ldrb    w9, [x9, #:lo12:sp_stay_used]
    cbnz    w9, .Lstay
.Lon:
    adrp    x9, sp_stub_syscall
    ldr     x9, [x9, #:lo12:sp_stub_syscall]
    cbz     x9, 1f
    mov     x16, x9                 /* a branch by x16 may land on a "bti c" */
    br      x16
1:  mov     x8, x0
    mov     x0, x1
    mov     x1, x2
    mov     x2, x3
    mov     x3, x4
    mov     x4, x5
    mov     x5, x6
    svc     #0
    cmn     x0, #4095
    b.cs    .Lerror
    ret
.Lstay:                             /* number and first argument are in place for it */
    stp     x29, x30, [sp, #-80]!
    .cfi_adjust_cfa_offset 80
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    stp     x0, x1, [sp, #16]
    stp     x2, x3, [sp, #32]
    stp     x4, x5, [sp, #48]
    str     x6, [sp, #64]
    bl      sp_stub_stay
    ldr     x6, [sp, #64]
    ldp     x4, x5, [sp, #48]
    ldp     x2, x3, [sp, #32]
    ldp     x0, x1, [sp, #16]
    ldp     x29, x30, [sp], #80
    .cfi_adjust_cfa_offset -80
    .cfi_restore x29
    .cfi_restore x30
    b       .Lon
    .cfi_endproc
    .size   syscall, . - syscall
