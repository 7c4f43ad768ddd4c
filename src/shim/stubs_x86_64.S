/* vfork returns twice through the caller's frame and syscall takes what it takes, so neither can be
 * a C function. Both must work before anything of ours was resolved. */

#ifdef __CET__
#include <cet.h> /* else one object without the mark takes the shadow stack from the whole program */
#endif

    .section .note.GNU-stack, "", @progbits
    .hidden sp_thread
    .hidden sp_stub_error
    .hidden sp_stub_close
    .hidden sp_stub_vfork
    .hidden sp_stub_stay
    .hidden sp_stay_used
    .hidden sp_stub_syscall
    .text

/* Raises the flag that makes wrappers ask whether they run in the child, which shares our memory. */
    .globl  vfork
    .type   vfork, @function
vfork:
    .cfi_startproc
    endbr64
    subq    $8, %rsp
    .cfi_adjust_cfa_offset 8
    call    sp_stub_vfork
    addq    $8, %rsp
    .cfi_adjust_cfa_offset -8
    movq    sp_thread@gottpoff(%rip), %rax
    movl    $1, %fs:(%rax)
    popq    %rdi                    /* the child returns first and overwrites the stack below */
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rdi
    movl    $58, %eax               /* SYS_vfork */
    syscall
    pushq   %rdi
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rip, 0
    cmpl    $-4095, %eax
    jae     .Lvfork_error
    testl   %eax, %eax
    jnz     .Lvfork_return
    xorl    %edx, %edx
    rdsspq  %rdx                    /* a no-op that leaves 0 where there is no shadow stack */
    testq   %rdx, %rdx
    jz      .Lvfork_return
    popq    %rdi                    /* the child shares it, and must leave our entry to the parent */
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rdi
    jmp     *%rdi
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rip, 0
.Lvfork_return:
    ret
.Lvfork_error:
    negl    %eax
    movl    %eax, %edi
    subq    $8, %rsp
    .cfi_adjust_cfa_offset 8
    call    sp_stub_error
    addq    $8, %rsp
    .cfi_adjust_cfa_offset -8
    movl    $-1, %eax
    ret
    .cfi_endproc
    .size   vfork, . - vfork

/* SYS_close must be seen: node closes its sockets so. Everything else goes on as it came. */
    .globl  syscall
    .type   syscall, @function
syscall:
    .cfi_startproc
    endbr64
    cmpq    $3, %rdi                /* SYS_close */
    je      sp_stub_close
    cmpb    $0, sp_stay_used(%rip)
    jne     .Lsyscall_stay
.Lsyscall_on:
    movq    sp_stub_syscall(%rip), %rax
    testq   %rax, %rax
    jz      .Lsyscall_raw
    jmp     *%rax
.Lsyscall_raw:                      /* nothing is resolved yet: enter the kernel ourselves */
    movq    %rdi, %rax
    movq    %rsi, %rdi
    movq    %rdx, %rsi
    movq    %rcx, %rdx
    movq    %r8, %r10
    movq    %r9, %r8
    movq    8(%rsp), %r9
    syscall
    cmpq    $-4095, %rax
    jae     .Lsyscall_error
    ret
.Lsyscall_error:
    negl    %eax
    movl    %eax, %edi
    subq    $8, %rsp
    .cfi_adjust_cfa_offset 8
    call    sp_stub_error
    addq    $8, %rsp
    .cfi_adjust_cfa_offset -8
    movq    $-1, %rax
    ret
.Lsyscall_stay:                     /* number and first argument are in place for it */
    pushq   %rdi
    pushq   %rsi
    pushq   %rdx
    pushq   %rcx
    pushq   %r8
    pushq   %r9
    subq    $8, %rsp
    .cfi_adjust_cfa_offset 56
    call    sp_stub_stay
    addq    $8, %rsp
    popq    %r9
    popq    %r8
    popq    %rcx
    popq    %rdx
    popq    %rsi
    popq    %rdi
    .cfi_adjust_cfa_offset -56
    jmp     .Lsyscall_on
    .cfi_endproc
    .size   syscall, . - syscall
