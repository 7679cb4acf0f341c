#include "jq/limits.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OUR_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
/* cppcheck-suppress preprocessorErrorDirective */
#error "ruche-jq knows the system calls of x86-64 and arm64 only: name this machine's AUDIT_ARCH here and try the tests of format/pool"
#endif

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define ALLOW(name)  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), ANSWER(SECCOMP_RET_ALLOW)

/* What malloc, the clock, a timer, two descriptors and an end need. All else is refused rather than deadly, so that jq says what it could not do;
 * local time, whose files cannot be read, is UTC. An mmap may not ask for code. On both machines the lower half of an argument comes first. */
static struct sock_filter filter[] = {
	LOAD(arch),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCHITECTURE, 1, 0),
	ANSWER(SECCOMP_RET_KILL_PROCESS),
	LOAD(nr),
	ALLOW(read),
	ALLOW(write),
	ALLOW(brk),
	ALLOW(munmap),
	ALLOW(mremap),
	ALLOW(madvise),
	ALLOW(futex),
	ALLOW(clock_gettime),
	ALLOW(getrandom),
	ALLOW(setitimer),
	ALLOW(rt_sigreturn),
	ALLOW(exit),
	ALLOW(exit_group),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mmap, 0, 3),
	LOAD(args[2]),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0),
	ANSWER(SECCOMP_RET_ALLOW),
	ANSWER(SECCOMP_RET_ERRNO | EPERM),
};

static bool limit(int what, rlim_t most)
{
	struct rlimit both = { most, most };
	return setrlimit((__rlimit_resource_t)what, &both) == 0;
}

static bool limits_filter(void)
{
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static bool taken(bool done, const char *what, const char **out_what)
{
	if (!done)
		*out_what = what;
	return done;
}

bool limits_take(const char **out_what)
{
	return taken(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "its life to its parent's", out_what) &&
	       taken(chdir("/") == 0, "its directory", out_what) &&
	       taken(close_range(STDERR_FILENO + 1, ~0u, 0) == 0, "what is open", out_what) &&
	       taken(limit(RLIMIT_AS, JQ_MEMORY_BYTES), "its memory", out_what) &&
	       taken(limit(RLIMIT_FSIZE, 0), "the size of files", out_what) &&
	       taken(limit(RLIMIT_NOFILE, STDERR_FILENO + 1), "the number of files", out_what) &&
	       taken(limit(RLIMIT_NPROC, 0), "processes", out_what) && taken(limit(RLIMIT_CORE, 0), "core dumps", out_what) &&
	       taken(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "new privileges", out_what) &&
	       taken(limits_filter(), "system calls", out_what);
}

void limits_arm(int64_t cpu_ms)
{
	struct itimerval timer = { .it_value = { .tv_sec = cpu_ms / 1000, .tv_usec = cpu_ms % 1000 * 1000 } };
	setitimer(ITIMER_PROF, &timer, NULL);
}
