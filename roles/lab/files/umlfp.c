/*
 * Copyright (c) 2026, The faultline.chaos authors
 * GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * User-Mode Linux before 6.13 keeps the floating point state of a process in a buffer of 2696 bytes. A CPU with AMX has
 * a larger one, and its kernel refuses a short write ("ptrace set fp regs failed"). Preloaded into UML, this wrapper
 * reads and writes the whole state: what UML keeps, then zeros, with the AMX tiles marked as unused.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define XSTATE 0x202			/* NT_X86_XSTATE */
#define LEGACY_AND_HEADER 576		/* FXSAVE area and XSAVE header */
#define COMPONENTS 512			/* offset of the bitmap of the state in use */
#define AMX_TILES (3ULL << 17)

static unsigned char state[65536] __attribute__((aligned(64)));
static size_t whole;			/* its size on this machine, learnt from the first read */

static long kernel_ptrace(long request, long pid, long addr, void *data)
{
	return syscall(SYS_ptrace, request, pid, addr, data);
}

static long read_state(long pid, struct iovec *to)
{
	struct iovec all = { state, sizeof(state) };
	long rc = kernel_ptrace(PTRACE_GETREGSET, pid, XSTATE, &all);

	if (rc < 0)
		return rc;
	whole = all.iov_len;
	if (to->iov_len > whole)
		to->iov_len = whole;
	memcpy(to->iov_base, state, to->iov_len);
	return 0;
}

static long write_state(long pid, const struct iovec *from)
{
	struct iovec all = { state, whole };
	uint64_t components;

	memcpy(state, from->iov_base, from->iov_len);
	memset(state + from->iov_len, 0, whole - from->iov_len);
	memcpy(&components, state + COMPONENTS, sizeof(components));
	components &= ~AMX_TILES;
	memcpy(state + COMPONENTS, &components, sizeof(components));
	return kernel_ptrace(PTRACE_SETREGSET, pid, XSTATE, &all);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list ap;
	long pid, addr, word, rc;
	struct iovec *regs;

	va_start(ap, request);
	pid = va_arg(ap, pid_t);
	addr = va_arg(ap, long);
	regs = va_arg(ap, void *);
	va_end(ap);

	if (request == PTRACE_GETREGSET && addr == XSTATE)
		return read_state(pid, regs);
	if (request == PTRACE_SETREGSET && addr == XSTATE && regs->iov_len >= LEGACY_AND_HEADER && regs->iov_len < whole)
		return write_state(pid, regs);
	if (request >= PTRACE_PEEKTEXT && request <= PTRACE_PEEKUSER) {	/* the C library returns the word itself */
		rc = kernel_ptrace(request, pid, addr, &word);
		if (rc < 0)
			return rc;
		errno = 0;
		return word;
	}
	return kernel_ptrace(request, pid, addr, regs);
}
