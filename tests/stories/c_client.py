"""libruche, from outside: installed, found by pkg-config, compiled against as C99 and as C++; examples/worker.c through failures, a cancel
and a kill -9 of the daemon; and every C program of docs/c-client.md."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import harness
from harness import ROOT, DEADLINE_S, Daemon, Skip, check, equal, run, story, until

BUILD = os.path.abspath(os.environ.get("RUCHE_BUILD", os.path.join(ROOT, "build-test")))
CC = shlex.split(os.environ.get("RUCHE_CC", "cc"))
SANITIZE = os.environ.get("RUCHE_SANITIZE", "address,undefined")
SANITIZER_FLAGS = [] if SANITIZE == "none" else [f"-fsanitize={SANITIZE}"]
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror"]


class Installed:
    """What `meson install` leaves, in a directory of its own; compiles programs against it."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="ruche-installed-", dir=os.environ.get("STORY_DIR", "/var/tmp"))
        try:
            self.tool("meson", "install", "--no-rebuild", "--quiet", "-C", BUILD, "--destdir", self.directory)
            self.pc = self.find("libruche.pc")
            self.header, self.shared, self.static = self.find("ruche.h"), self.find("libruche.so"), self.find("libruche.a")
            self.find("ruche.3")
            self.package = os.path.dirname(self.find("RucheConfig.cmake"))
            self.example = self.find("worker.c")
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory, ignore_errors=True)

    def tool(self, *command, **more):
        done = subprocess.run(command, capture_output=True, timeout=DEADLINE_S * 2, check=False, **more)
        check(done.returncode == 0, f"{' '.join(command)}: {(done.stdout + done.stderr).decode(errors='replace')[-3000:]}")
        return done.stdout.decode()

    def find(self, name):
        found = [os.path.join(where, name) for where, _, names in os.walk(self.directory) if name in names]
        equal(len(found), 1, f"installed files called {name}")
        return found[0]

    def flags(self, *wanted):
        prefix = os.path.join(self.directory, "usr/local")
        env = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(self.pc)}
        return shlex.split(self.tool("pkg-config", f"--define-variable=prefix={prefix}", *wanted, "libruche", env=env))

    def compile(self, source, name, compiler=None, static=False, flags=()):
        program = os.path.join(self.directory, name)
        libraries = [self.static, "-lcurl", "-pthread"] if static else [*self.flags("--libs"), f"-Wl,-rpath,{os.path.dirname(self.shared)}"]
        self.tool(*(compiler or CC), *STRICT, *SANITIZER_FLAGS, *flags, *self.flags("--cflags"), "-o", program, source, *libraries)
        return program


def env_of(ruche):
    return {**os.environ, "RUCHE_URL": f"unix:{ruche.socket_path}", "RUCHE_TOKEN": ruche.token}


class Running:
    """A program whose lines can be waited for."""

    def __init__(self, ruche, *command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env_of(ruche), text=True)
        self.lines, self.troubles, self.changed = [], [], threading.Condition()
        self.readers = [threading.Thread(target=self.read, args=pair, daemon=True)
                        for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.troubles))]
        for reader in self.readers:
            reader.start()

    def read(self, stream, into):
        for line in stream:
            with self.changed:
                into.append(line.rstrip("\n"))
                self.changed.notify_all()

    def until(self, condition, what):
        with self.changed:
            check(self.changed.wait_for(lambda: condition(self.lines) or self.process.poll() is not None, DEADLINE_S * 2), f"no {what}: {self.lines[-3:]} {self.troubles[-5:]}")
            check(condition(self.lines), f"it ended with {self.process.poll()}, without {what}: {self.troubles[-20:]}")

    def end(self, status=0):
        code = self.process.wait(timeout=DEADLINE_S)
        for reader in self.readers:
            reader.join(DEADLINE_S)
        equal(code, status, f"exit code ({self.troubles[-20:]})")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@story
def a_thousand_jobs_and_a_crash(ruche):
    """1,000 jobs, four threads, some fail once, some for good, one is cancelled, and the daemon is killed in the middle: each ends once."""
    api = ruche.api
    api.put("/v1/queues/letters", {"retry": {"kind": "fixed", "delay_ms": 10, "max_attempts": 3}, "lease_ms": 10000, "max_stalls": 5})
    with Installed() as installed:
        worker = installed.compile(installed.example, "worker", flags=["-std=gnu99"])
        equal(subprocess.run([worker, "enqueue", "letters", "1000"], env=env_of(ruche), capture_output=True, timeout=DEADLINE_S, check=True).stdout, b"enqueued 1000\n")
        api.post(f"/v1/jobs/{api.enqueue('letters', {'n': 6000})['uid']}/cancel")  # before it starts
        uid = api.enqueue("letters", {"n": 5000, "wait_ms": 600000}, lifo=True)["uid"]
        running = Running(ruche, worker, "work", "letters", "4")
        try:
            running.until(lambda lines: "waiting 5000" in lines, "job that waits")
            running.until(lambda lines: len(lines) > 300, "third of the work")
            ruche.kill()
            ruche.start()
            api = ruche.api
            api.post(f"/v1/jobs/{uid}/cancel", {"reason": "no longer"})
            equal(api.wait(uid)["state"], "cancelled", "the job that was cancelled while it ran")
            running.until(lambda lines: "cancelled 5000" in lines, "cancelled job")
            running.until(lambda lines: sum(line.startswith("done ") for line in lines) >= 990, "end of the work")
            for n in range(1000):
                job = api.get(f"/v1/queues/letters/jobs/letter-{n}?wait_ms=30000")
                equal(job["state"], "failed" if n % 100 == 7 else "completed", f"letter-{n}")
                if n % 100 != 7:
                    equal(job["result"], {"told": n}, f"result of letter-{n}")
            running.process.send_signal(signal.SIGTERM)
            running.end()
        finally:
            running.kill()
        done = [int(line.split()[1]) for line in running.lines if line.startswith("done ")]
        equal(sorted(done), [n for n in range(1000) if n % 100 != 7], "jobs that ran well, once each")
        equal({state: count for state, count in api.states("letters").items() if count}, {"completed": 990, "failed": 10, "cancelled": 2}, "states")
        check(any("[unreachable]" in line for line in running.troubles), f"the crash was not told: {running.troubles[:5]}")


@story
def a_worker_is_listed(ruche):
    """Who works is there, busy or not, and gone when it was stopped."""
    def listed():
        return [(worker["namespace"], worker["queue"], worker["name"], worker["kind"]) for worker in ruche.api.get("/v1/workers")["workers"]]

    with Installed() as installed:
        running = Running(ruche, installed.compile(installed.example, "worker", flags=["-std=gnu99"]), "work", "letters", "2")
        try:
            until(listed, "the worker is listed")
            equal(listed(), [("default", "letters", f"{socket.gethostname()}:{running.process.pid}", "worker")], "who works")
            running.process.send_signal(signal.SIGTERM)
            running.end()
            until(lambda: not listed(), "the worker is gone")
        finally:
            running.kill()


@story
def compiled_in_all_ways(ruche):
    """C99 without extensions, C++, the static library, whose inner names are out of the way: each runs a batch by hand."""
    own_names = os.path.join(tempfile.gettempdir(), f"ruche-own-names-{os.getpid()}.c")
    with Installed() as installed:
        for name, options in (("shared", {}), ("static", {"static": True})):
            worker = installed.compile(installed.example, name, flags=["-std=gnu99"], **options)
            subprocess.run([worker, "enqueue", name, "5"], env=env_of(ruche), capture_output=True, timeout=DEADLINE_S, check=True)
            done = subprocess.run([worker, "batch", name], env=env_of(ruche), capture_output=True, timeout=DEADLINE_S, check=False)
            equal((done.returncode, done.stdout), (0, b"finished 5\n"), f"{name}: {done.stderr}")
        header = os.path.join(installed.directory, "header.c")
        with open(header, "w", encoding="utf-8") as file:
            file.write("#include <ruche.h>\nint main(void) { return ruche_version()[0] == 0; }\n")
        installed.tool(installed.compile(header, "header", flags=["-std=c99"]))
        try:
            with open(own_names, "w", encoding="utf-8") as file:
                file.write('#include <ruche.h>\nint json_init(void);\nint json_init(void) { return 3; }\nint buf_grow(void);\nint buf_grow(void) { return 4; }\n'
                           "int main(void) { struct ruche_client *client; return ruche_client_new(0, &client, 0) || (ruche_client_free(client), json_init() + buf_grow() != 7); }\n")
            installed.tool(installed.compile(own_names, "own_names", static=True))
        finally:
            os.unlink(own_names)


@story
def from_cpp(ruche):
    """The header in C++98 and C++17, with a handler that is a C++ function."""
    if not shutil.which("g++"):
        raise Skip("g++ is not installed")
    if CC[-1].startswith("clang") and SANITIZER_FLAGS:
        raise Skip("the sanitizers of clang and g++ do not mix")
    with Installed() as installed:
        source = os.path.join(installed.directory, "program.cc")
        with open(source, "w", encoding="utf-8") as file:
            file.write("""#include <ruche.h>
#include <cstdlib>
#include <cstring>
static int handle(ruche_task *task, void *context)
{
	++*static_cast<int *>(context);
	return std::strcmp(ruche_task_job(task)->payload, "[1]") ? 1 : 0;
}
int main()
{
	int handled = 0;
	const char *queues[] = { "cpp" };
	ruche_client_options options;
	ruche_new_job job;
	ruche_worker_options work;
	std::memset(&options, 0, sizeof(options));
	std::memset(&job, 0, sizeof(job));
	std::memset(&work, 0, sizeof(work));
	options.size = sizeof(options);
	options.url = std::getenv("RUCHE_URL");
	options.token = std::getenv("RUCHE_TOKEN");
	job.size = sizeof(job);
	job.queue = "cpp";
	job.payload = "[1]";
	work.size = sizeof(work);
	work.queues = queues;
	work.queue_count = 1;
	work.drain = 1;
	work.context = &handled;
	ruche_client *client;
	ruche_worker *worker;
	ruche_enqueued enqueued;
	if (ruche_client_new(&options, &client, 0) || ruche_enqueue(client, &job, &enqueued, 0) || ruche_worker_new(client, &work, handle, &worker, 0))
		return 1;
	int code = ruche_worker_run(worker, 0);
	ruche_worker_free(worker);
	ruche_client_free(client);
	return code || handled != 1;
}
""")
        for standard in ("c++98", "c++17"):
            program = installed.compile(source, standard, compiler=["g++"], flags=[f"-std={standard}", "-Wno-long-long"])
            installed.tool(program, env=env_of(ruche))
        equal(ruche.api.states("cpp")["completed"], 2, "completed")


@story
def found_by_cmake(ruche):
    """find_package(Ruche): both libraries, from wherever the directory was moved to, also through a link; a version that is not there is refused."""
    if not shutil.which("cmake"):
        raise Skip("cmake is not installed")
    with Installed() as installed:
        source, moved = os.path.join(installed.directory, "project"), os.path.join(installed.directory, "moved")
        os.mkdir(source)
        os.rename(os.path.join(installed.directory, "usr/local"), moved)
        package = os.path.relpath(installed.package, os.path.join(installed.directory, "usr/local"))
        os.symlink(os.path.join(moved, package.split(os.sep)[0]), os.path.join(installed.directory, "lib"))  # as /lib is one to /usr/lib
        linked = os.path.join(installed.directory, "lib", *package.split(os.sep)[1:])
        shutil.copy(os.path.join(moved, "share/doc/libruche/examples/worker.c"), source)
        flags = " ".join(SANITIZER_FLAGS)
        for wanted, where, good in (("0.2", linked, False), ("1", linked, False), ("0.1", linked, True), ("", os.path.join(moved, package), True)):
            with open(os.path.join(source, "CMakeLists.txt"), "w", encoding="utf-8") as file:
                file.write(f"""cmake_minimum_required(VERSION 3.13)
project(program C)
set(CMAKE_C_STANDARD 99)
find_package(Ruche {wanted} REQUIRED CONFIG)
add_executable(shared worker.c)
target_link_libraries(shared Ruche::ruche)
add_executable(static worker.c)
target_link_libraries(static Ruche::ruche_static)
""")
            build = os.path.join(installed.directory, f"build-{wanted}")
            done = subprocess.run(["cmake", "-G", "Ninja", "-S", source, "-B", build, f"-DRuche_DIR={where}", f"-DCMAKE_C_COMPILER={CC[-1]}", f"-DCMAKE_C_FLAGS={flags}"],
                                  capture_output=True, text=True, timeout=DEADLINE_S * 2, check=False)
            equal(done.returncode == 0, good, f"cmake for version '{wanted}': {done.stdout[-1000:]}{done.stderr[-2000:]}")
            if not good:
                check("requested version" in done.stderr, f"why version {wanted} was refused: {done.stderr[-2000:]}")
                continue
            installed.tool("cmake", "--build", build)
            for name in ("shared", "static"):
                done = subprocess.run([os.path.join(build, name), "enqueue", f"cmake-{wanted}-{name}", "3"], env=env_of(ruche), capture_output=True, timeout=DEADLINE_S,
                                      check=False)
                equal((done.returncode, done.stdout), (0, b"enqueued 3\n"), f"{name}: {done.stderr}")


@story
def a_man_page_for_each_function():
    """Each function of the header has a page of its name, which is ruche(3)."""
    with Installed() as installed:
        pages = os.path.dirname(installed.find("ruche.3"))
        with open(installed.header, encoding="utf-8") as file:
            functions = re.findall(r"^RUCHE_PUBLIC[^;(]*?[ *](ruche_\w+)\(", file.read(), re.MULTILINE)
        check(len(functions) > 50, "functions of the header")
        for name in functions:
            with open(os.path.join(pages, f"{name}.3"), encoding="utf-8") as file:
                equal(file.read(), ".so man3/ruche.3\n", f"{name}.3")


MEMORY = r"""
#include <ruche.h>
#include <stdio.h>
#include <stdlib.h>

static int left; /* allocations until one is refused; 0: none is */
static long live;

static int refused(void) { return left > 0 && --left == 0; }
static void *allocate(void *context, size_t bytes)
{
	void *made = context == &live && bytes > 0 && !refused() ? malloc(bytes) : NULL;
	live += made != NULL;
	return made;
}
static void *reallocate(void *context, void *memory, size_t bytes)
{
	return context == &live && memory && bytes > 0 && !refused() ? realloc(memory, bytes) : NULL;
}
static void release(void *context, void *memory)
{
	if (context != &live || !memory)
		exit(9);
	live--;
	free(memory);
}

static int round_trip(const char *name, int number, struct ruche_error *error) /* in a queue of its own: what another left half done is not in its way */
{
	char queue[64];
	const char *queues[] = { queue };
	struct ruche_client_options options = { .size = sizeof(options), .url = getenv("RUCHE_URL"), .token = getenv("RUCHE_TOKEN") };
	struct ruche_new_job job = { .size = sizeof(job), .queue = queue, .payload = "[1]", .metadata_json = "{\"m\": 1}", .dedup_json = "{\"key\": \"k\"}" };
	struct ruche_claim_options claim = { .size = sizeof(claim), .queues = queues, .queue_count = 1 };
	struct ruche_client *client = NULL;
	struct ruche_claimed *claimed = NULL;
	struct ruche_enqueued enqueued;
	sprintf(queue, "%s-%d", name, number);
	int code = ruche_client_new(&options, &client, error);
	if (!code)
		code = ruche_enqueue(client, &job, &enqueued, error);
	if (!code)
		code = ruche_claim(client, &claim, &claimed, error);
	if (!code && ruche_claimed_count(claimed) != 1)
		exit(8);
	if (!code)
		code = ruche_complete(client, ruche_claimed_job(claimed, 0), "{}", error);
	ruche_claimed_free(claimed);
	ruche_client_free(client);
	return code;
}

int main(int count, char **words)
{
	struct ruche_memory memory = { .size = sizeof(memory), .allocate = allocate, .reallocate = reallocate, .context = &live };
	struct ruche_error error;
	int code, refusals = 0;
	if (count != 2 || ruche_use_memory(&memory, &error) != RUCHE_BAD_ARGUMENT) /* release is missing */
		return 2;
	memory.release = release;
	if (ruche_use_memory(&memory, &error) || round_trip(words[1], 0, &error)) {
		fprintf(stderr, "%s\n", error.sentence);
		return 3;
	}
	if (ruche_use_memory(&memory, &error) != RUCHE_BAD_ARGUMENT) /* too late */
		return 4;
	long before = live;
	for (int n = 1;; n++) {
		left = n;
		code = round_trip(words[1], n, &error);
		int was_refused = left == 0;
		left = 0;
		if (live != before) {
			fprintf(stderr, "refusal %d: %ld pieces of memory are left over\n", n, live - before);
			return 5;
		}
		if (!was_refused)
			break;
		refusals++;
	}
	if (code)
		fprintf(stderr, "%s\n", error.sentence);
	printf("%d refusals\n", refusals);
	return code || refusals < 50;
}
"""


@story
def memory_of_ones_own(ruche):
    """ruche_use_memory: all memory, curl's too, comes from the program; each piece of it may be refused, and nothing is left over."""
    with Installed() as installed:
        source = os.path.join(installed.directory, "memory.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write(MEMORY)
        for static in (False, True):
            program = installed.compile(source, "memory", flags=["-std=c99"], static=static)
            done = subprocess.run([program, "static" if static else "shared"], env=env_of(ruche), capture_output=True, timeout=DEADLINE_S * 2, check=False)
            check(done.returncode == 0, f"exit code {done.returncode}: {(done.stdout + done.stderr).decode(errors='replace')}")


@story
def nobody_there():
    """An unreachable daemon is told in a sentence, at once for an enqueue."""
    with Installed() as installed:
        worker = installed.compile(installed.example, "worker", flags=["-std=gnu99"])
        for url in ("http://127.0.0.1:1", "unix:/nonexistent/ruche.sock"):
            done = subprocess.run([worker, "enqueue", "q", "1"], env={**os.environ, "RUCHE_URL": url}, capture_output=True, timeout=DEADLINE_S, check=False)
            equal(done.returncode, 1, "exit code")
            check(url in done.stderr.decode() and "[unreachable]" in done.stderr.decode(), done.stderr.decode())


@story
def every_program_of_the_page(ruche):
    """docs/c-client.md: each `c runnable` block compiles without a warning and works, in order."""
    with open(os.path.join(ROOT, "docs", "c-client.md"), encoding="utf-8") as file:
        text = file.read()
    blocks = [(text[:match.start()].count("\n") + 2, match.group(1)) for match in re.finditer(r"^```c runnable\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]
    check(len(blocks) >= 3, "programs on the page")
    with Installed() as installed:
        for line, program in blocks:
            source = os.path.join(installed.directory, f"line{line}.c")
            with open(source, "w", encoding="utf-8") as file:
                file.write(program)
            done = subprocess.run([installed.compile(source, f"line{line}", flags=["-std=c99"])], env=env_of(ruche), capture_output=True, timeout=DEADLINE_S, check=False)
            check(done.returncode == 0, f"docs/c-client.md:{line}: exit code {done.returncode}: {(done.stdout + done.stderr).decode(errors='replace')}")


if __name__ == "__main__":
    run()
